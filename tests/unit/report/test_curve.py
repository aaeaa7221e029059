"""The picture of one training: drawn from the card, refused where there is nothing to draw."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import DataError, StorageError
from benchmarks.models import checkpoint
from report import curves
from tests.checkpoints import write_checkpoint

RECIPE = RECIPES["linear"]
SCORES = {"train_loss_by_epoch": [2.0, 1.5], "loss_by_epoch": [1.9, 1.6], "accuracy_by_epoch": [0.5, 0.75]}


def folder(tmp_path, scores, framework="torch"):
    about = {"scores": scores, "training": {"framework": framework, "seed": 0}, "dataset": {"name": "mnist-5k"}}
    write_checkpoint(tmp_path / "net", RECIPE, initial_weights(RECIPE.model, RECIPE.initialiser, 0), about)
    return tmp_path / "net"


def test_the_same_card_gives_the_same_picture_and_says_what_it_is_of(tmp_path):
    for place in ("a", "b"):
        curves.draw(folder(tmp_path / place, SCORES, "<torch & $x$>"))
    first, second = ((tmp_path / place / "net" / checkpoint.CURVES).read_text() for place in "ab")
    assert first == second
    root = ElementTree.fromstring(first)  # noqa: S314  # what we have just drawn
    texts = {item.text for item in root.iter() if item.text}
    assert "linear in <torch & $x$> on mnist-5k, seed 0" in texts
    assert "test accuracy, %" in texts


@pytest.mark.parametrize(
    "scores",
    [{}, {**SCORES, "loss_by_epoch": []}, {**SCORES, "loss_by_epoch": [1]}, {**SCORES, "loss_by_epoch": ["x", 1]}],
)
def test_scores_that_make_no_curve_are_refused(tmp_path, scores):
    with pytest.raises(DataError, match="no scores by epoch"):
        curves.draw(folder(tmp_path, scores))


def test_what_is_there_is_not_overwritten(tmp_path):
    kept = folder(tmp_path, SCORES)
    (kept / checkpoint.CURVES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="File exists"):
        curves.draw(kept)
    assert json.loads((kept / checkpoint.CARD).read_text())["scores"] == SCORES
