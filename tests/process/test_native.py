"""The parent's side of a framework's own files, with this Python in the framework's place."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.declaration import Initialiser, layers
from adapters.numpy import NumpyAdapter
from adapters.recipes import MODELS, RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import WorkerFailed
from benchmarks.machine import environments
from benchmarks.models import native

RECIPE = RECIPES["lenet"]
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28), np.uint8)


@pytest.fixture
def weights(monkeypatch):
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path(sys.executable))
    return initial_weights(RECIPE.model, RECIPE.initialiser, 0)


def program(monkeypatch, tmp_path, text):
    """Put a program in the place of standalone.py."""
    (tmp_path / "standalone.py").write_text(text)
    monkeypatch.setattr(native, "STANDALONE", tmp_path / "standalone.py")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_layers_go_by_the_names_of_their_parameters(model):
    described = layers(model)
    parted = [part for layer in described for part in (*layer.get("branch", ()), *layer.get("shortcut", ()), layer)]
    named = {layer["name"] for layer in parted}
    assert len(named) == len(parted) == len(model.places())
    assert {parameter.name.partition(".")[0] for parameter in model.arrays()} <= named
    assert [tuple(layer["input_shape"]) for layer in parted] == [place.before for place in model.places()]


def test_files_are_written_loaded_and_compared(weights, tmp_path):
    expected = np.zeros((4, 10), np.float32)
    with pytest.raises(WorkerFailed, match="numpy's own npz, loaded, computes something else"):
        native.write_and_verify("numpy", "cpu", RECIPE, weights, tmp_path, IMAGES, expected)
    pixels = (IMAGES / np.float32(255)).astype(np.float32)
    found = native.outputs("numpy", "cpu", RECIPE.model, tmp_path, pixels)["npz"]
    assert native.write_and_verify("numpy", "cpu", RECIPE, weights, tmp_path, IMAGES, found)["npz"] < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.npz"]


def test_an_arm_writes_as_its_framework_does(weights, tmp_path):
    native.write("numpy@1.26.4", "cpu", RECIPE.model, weights, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lenet.npz"]


@pytest.mark.parametrize("name", ["resnet", "vit", "lstm", "mobile"])
def test_networks_of_today_compute_the_same_from_their_file(weights, tmp_path, name):
    recipe = RECIPES[name]
    adapter, drawn = NumpyAdapter(recipe), initial_weights(recipe.model, recipe.initialiser, 0)
    adapter.set_weights({key: 1.1 * array + 0.001 for key, array in drawn.items()})
    pixels = (IMAGES / np.float32(255)).astype(np.float32)
    batch = adapter.put(pixels[None], np.zeros((1, len(pixels)), np.int64))
    expected = adapter.fetch(adapter.evaluate(batch, 0, 1))
    assert (
        native.write_and_verify("numpy", "cpu", recipe, adapter.get_weights(), tmp_path, IMAGES, expected)["npz"] < 1e-4
    )


def test_the_other_process_finds_nothing_of_this_project(weights, tmp_path, monkeypatch):
    program(monkeypatch, tmp_path, "import sys\nassert sys.flags.isolated\nimport adapters\n")
    with pytest.raises(WorkerFailed, match=r"did not write .* No module named 'adapters'"):
        native.write("numpy", "cpu", RECIPE.model, weights, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import os; os.abort()", r"exit code -6"),
        ("raise ValueError('\\x1b[31m no')", r"ValueError: \\x1b\[31m no"),
        ("import sys; sys.stderr.buffer.write(b'\\xff'); sys.exit(3)", r"exit code 3"),
        ("import time; time.sleep(60)", r"within 0.5 s"),
    ],
)
def test_how_it_failed_is_said_in_one_line(weights, tmp_path, monkeypatch, text, words):
    program(monkeypatch, tmp_path, text)
    monkeypatch.setattr(native, "TIMEOUT_S", 0.5 if "sleep" in text else 60)
    with pytest.raises(WorkerFailed, match=words) as raised:
        native.write("numpy", "cpu", RECIPE.model, weights, tmp_path)
    assert str(raised.value).isprintable()


def test_the_first_thousand_images_are_enough(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "MAX_IMAGES", 2)
    weights = initial_weights(RECIPE.model, Initialiser(), 1)
    native.write("numpy", "cpu", RECIPE.model, weights, tmp_path)
    pixels = (IMAGES / np.float32(255)).astype(np.float32)
    expected = native.outputs("numpy", "cpu", RECIPE.model, tmp_path, pixels)["npz"]
    expected[2:] = 99  # not looked at
    assert native.write_and_verify("numpy", "cpu", RECIPE, weights, tmp_path, IMAGES, expected)["npz"] < 1e-5
