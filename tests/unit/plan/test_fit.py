"""A network meets a data set: what does not fit is one line that says what would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.declaration import SGD, Dense, Flatten, Model, Recipe
from adapters.recipes import RECIPES
from benchmarks.errors import UsageError
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.fit import check, misfit

FACES = Prepared("faces-3fa2", "0" * 64, Path(), 320, 80, "made up", (1, 64, 64), 40)
DIGITS = Prepared("digits", "0" * 64, Path(), 320, 80, "made up", (1, 28, 28), 10)
FACE = Recipe("face", Model("face", (Flatten(), Dense(40)), (1, 64, 64)), SGD(0.1))


def outputs(count):
    return replace(FACE, model=Model("face", (Flatten(), Dense(count)), (1, 64, 64)))


def test_what_fits_is_not_spoken_of():
    assert misfit(FACE, FACES) == misfit(RECIPES["lenet"], DIGITS) == ""


def test_images_of_another_shape():
    assert misfit(RECIPES["lenet"], FACES) == (
        "model 'lenet' reads 1x28x28 images, data set 'faces-3fa2' has 1x64x64: declare input_shape = [1, 64, 64]"
    )
    assert "has 3x64x64: declare input_shape = [3, 64, 64]" in misfit(FACE, replace(FACES, image_shape=[3, 64, 64]))


@pytest.mark.parametrize(("count", "words"), [(39, "39 outputs"), (1, "1 output,")])
def test_fewer_outputs_than_classes(count, words):
    said = misfit(outputs(count), FACES)
    assert words in said
    assert "data set 'faces-3fa2' has 40 classes (labels 0-39): declare a last layer of 40 units" in said


def test_more_outputs_than_classes_do_no_harm():
    assert misfit(outputs(41), FACES) == ""


def test_a_regression_gives_the_label_itself():
    assert misfit(RECIPES["linear"], DIGITS) == ""
    assert "reads 1x28x28" in misfit(RECIPES["linear"], FACES)


def test_each_recipe_meets_each_data_set():
    check(["mlp", "linear"], [DIGITS, replace(DIGITS, classes=2)])
    with pytest.raises(UsageError, match="'mlp' has 10 outputs, data set 'digits' has 11 classes"):
        check(["linear", "mlp"], [DIGITS, replace(DIGITS, classes=11)])
