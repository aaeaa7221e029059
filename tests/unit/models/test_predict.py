from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from adapters.recipes import RECIPES
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
        assert images.shape[1:] == (28, 28)
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
    one = predict.picture(str(folder / "one.png"), naive=False)
    said = []
    lost = predict.predict([one], checkpoint.read_checkpoint(folder / "net"), ["torch", "numpy"], "cpu", said.append)
    assert (lost, said, list(one.read)) == (["torch"], ["torch: gone"], ["numpy"])


def test_a_network_that_gives_a_number_is_refused(folder):
    recipe = RECIPES["linear"]
    write_checkpoint(folder / "line", recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})
    with pytest.raises(UsageError, match="gives a number"):
        predict.predict([], checkpoint.read_checkpoint(folder / "line"), ["numpy"], "cpu", print)


def test_a_folder_and_a_name_that_cannot_be_are_one_line(folder):
    assert "not a file" in predict.picture(str(folder), naive=False).problem
    assert predict.picture("a\0b\n", naive=False).problem.isprintable()


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
