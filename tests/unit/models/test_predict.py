from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from adapters.declaration import SGD, Dense, Flatten, Model, Recipe
from adapters.recipes import MODELS, RECIPES, own
from adapters.weights import initial_weights
from benchmarks.__main__ import app
from benchmarks.cli import tables
from benchmarks.errors import UsageError, WorkerLost
from benchmarks.models import checkpoint, predict
from tests.checkpoints import write_checkpoint


class Fake:
    """A worker that is sure of the digit 3; torch's is lost."""

    def __init__(self, framework, device, recipe, weights, threads):
        self.framework = framework

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def outputs(self, images):
        if self.framework == "torch":
            raise WorkerLost("torch: gone")
        assert images.shape[1:] == (1, 28, 28)
        return np.tile(np.where(np.arange(10) == 3, 9.0, 0.0), (len(images), 1)), np.zeros(len(images))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    recipe = RECIPES["mlp"]
    write_checkpoint(tmp_path / "net", recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})
    picture = np.full((50, 50), 255, np.uint8)
    picture[10:40, 22:26] = 0
    Image.fromarray(picture).save(tmp_path / "one.png")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (50, 50), 255).save(tmp_path / "empty.png")
    monkeypatch.setattr(predict, "Warm", Fake)
    return tmp_path


def run(folder, *names, frameworks="numpy"):
    images = [str(folder / name) for name in names]
    more = ["--weights", str(folder / "net"), "--framework", frameworks]
    return CliRunner().invoke(app, ["predict", *images, *more, "--json", "--naive"])


def test_a_picture_is_read(folder):
    done = run(folder, "one.png")
    assert done.exit_code == 0
    [found] = json.loads(done.stdout)
    assert np.argmax(found["probabilities"]["numpy"]["seen"]) == 3
    assert np.sum(found["probabilities"]["numpy"]["naive"]) == pytest.approx(1)
    assert np.shape(found["pixels"]["seen"]) == (28, 28)


def test_people_see_the_most_probable_digits_first(folder):
    line = ["predict", str(folder / "one.png"), "--weights", str(folder / "net"), "--framework", "numpy", "--ascii"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0
    [shown] = [line for line in done.stdout.splitlines() if "numpy" in line]
    assert shown.split()[3:6] == ["3", "99.9", "%"]


def test_bad_files_are_named_and_the_others_read(folder):
    done = run(folder, "text.png", "one.png", "empty.png", "absent.png")
    assert done.exit_code == 1
    problems = [found["problem"] for found in json.loads(done.stdout)]
    assert [problem is None for problem in problems] == [False, True, False, False]
    for problem, words in zip(problems[:1] + problems[2:], ("not a PNG", "no ink", "no such file"), strict=True):
        assert words in problem
        assert "\n" not in problem


def test_nothing_read_is_2(folder):
    assert run(folder, "text.png").exit_code == 2


def test_a_framework_that_is_lost_leaves_the_others(folder):
    one = predict.picture(str(folder / "one.png"), MODELS["mlp"], naive=False)
    said = []
    lost = predict.predict([one], checkpoint.read_checkpoint(folder / "net"), ["torch", "numpy"], "cpu", said.append)
    assert (lost, said, list(one.read)) == (["torch"], ["torch: gone"], ["numpy"])


def test_a_network_that_gives_a_number_is_refused(folder):
    recipe = RECIPES["linear"]
    write_checkpoint(folder / "line", recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})
    done = CliRunner().invoke(app, ["predict", "-", "--weights", str(folder / "line"), "--framework", "numpy"])
    assert isinstance(done.exception, UsageError)
    assert "gives a number" in str(done.exception)


def test_a_folder_and_a_name_that_cannot_be_are_one_line(folder):
    assert "not a file" in predict.picture(str(folder), MODELS["mlp"], naive=False).problem
    assert predict.picture("a\0b\n", MODELS["mlp"], naive=False).problem.isprintable()


def test_the_digit_is_drawn_in_plain_characters():
    image = np.zeros((28, 28), np.uint8)
    image[:, 14] = 255
    lines = tables.ascii_art([image, image]).plain.splitlines()
    assert lines == [" " * 14 + "@" + " " * 13 + tables.GAP + " " * 14 + "@" + " " * 13] * 14


def test_half_blocks_have_a_row_of_pixels_each():
    image = np.zeros((28, 28), np.uint8)
    image[0, 0] = 255
    text = tables.blocks([image])
    assert str(text.spans[0].style) == "rgb(255,255,255) on rgb(0,0,0)"
    assert len(text.plain.splitlines()) == 14


COLOURS = Model("colours", (Flatten(), Dense(4)), (3, 6, 8))


def test_another_shape_gets_the_picture_resized_with_its_colours(tmp_path):
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:, 0] = 255
    Image.fromarray(picture).save(tmp_path / "half.png")
    Image.fromarray(picture[..., 0]).save(tmp_path / "grey.png")
    seen = predict.picture(str(tmp_path / "half.png"), COLOURS, naive=False).views["seen"]
    assert seen.shape == (3, 6, 8)
    assert seen[0, :, :3].max() < 5
    assert seen[0, :, 5:].min() > 250
    assert seen[1:].max() == 0
    grey = predict.picture(str(tmp_path / "grey.png"), COLOURS, naive=False).views["seen"]
    np.testing.assert_array_equal(grey, np.repeat(seen[:1], 3, axis=0))
    one = predict.picture(str(tmp_path / "half.png"), replace(COLOURS, input_shape=(1, 6, 8)), naive=False)
    assert one.views["seen"].shape == (1, 6, 8)


@pytest.mark.parametrize(
    ("model", "naive", "words"),
    [
        (replace(COLOURS, input_shape=(2, 6, 8)), False, "'colours' reads 2x6x8; a picture has 1 channel or 3"),
        (COLOURS, True, "--naive is for networks that read 1x28x28; 'colours' reads 3x6x8"),
        (MODELS["linear"], False, "'linear' gives a number, not the probability of each class"),
    ],
)
def test_networks_that_read_no_pictures_are_refused(model, naive, words):
    with pytest.raises(UsageError, match=words):
        predict.check(model, naive)


def test_classes_with_names_are_shown_by_them(folder, monkeypatch):
    monkeypatch.setattr("adapters.recipes.RECIPES", dict(RECIPES))  # which takes what is the user's own
    recipe = own(Recipe("colours", COLOURS, SGD(0.1)))
    weights, card = initial_weights(COLOURS, recipe.initialiser, 0), {"dataset": {"class_names": ["cat", "dog", "owl"]}}
    write_checkpoint(folder / "own", recipe, weights, card)
    line = ["predict", str(folder / "one.png"), "--weights", str(folder / "own"), "--framework", "numpy", "--ascii"]
    monkeypatch.setattr(Fake, "outputs", lambda _, images: (np.array([[0.0, 9.0, 5.0, 1.0]]), np.zeros(1)))
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.exception
    assert "resized to 3x6x8" in done.stdout
    [shown] = [line for line in done.stdout.splitlines() if "numpy" in line]
    assert "dog 98.2 %   owl 1.8 %   3 0.0 %" in shown
