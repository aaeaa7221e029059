"""docs/examples: each library's LeNet is the declared one, by the gate that every adapter passes, and runs alone."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from adapters.weights import _fans
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.lockstep.prove import prove
from tests.frameworks.conftest import BATCH
from tests.frameworks.examples.adapter import EXAMPLES, RECIPE, load

STEPS = 40
TRAIN, TEST = 1000, 100
PRINTED = 400  # images that a program trains on, which shows nothing more with all
CELL = {"device": "cpu", "mode": "eager", "dtype": "float32", "input": "preloaded", "batch_size": BATCH}


@pytest.fixture
def example_class(adapter_class):
    return example_of(adapter_class.framework)


def example_of(framework):
    """Return the adapter around a framework's example; those that are not measured by default have none."""
    return getattr(importlib.import_module(f"tests.frameworks.examples.{framework}"), f"{framework.title()}Example")


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """A folder with digits that can be learnt, as workers and as the examples read them, and with the gate's inputs.

    A fifth has another's label: mxnet's log_softmax is off by 1e-6 in float32, which is 1.2e-5 of the loss that these
    digits come to where every label is right, and the bound is 1e-5.
    """
    folder, archive = tmp_path_factory.mktemp("digits"), {}
    for seed, (part, size) in enumerate((("train", TRAIN), ("test", TEST))):
        images, labels = digits(1, size, "float32", seed)
        archive[f"x_{part}"] = (255 * images[0, :, 0]).astype(np.uint8)
        archive[f"y_{part}"] = labels[0].astype(np.uint8)
        if part == "train":
            archive[f"x_{part}"][::5] = archive[f"x_{part}"][1::5]
        np.save(folder / f"{part}_images.npy", archive[f"x_{part}"][:, None])
        np.save(folder / f"{part}_labels.npy", archive[f"y_{part}"])
    np.savez(folder / "mnist.npz", **{name: array[:PRINTED] for name, array in archive.items()})
    prepare_inputs(folder, RECIPE, 0, TRAIN, 2)
    return folder


def test_the_gate_finds_what_is_declared(example_class, folder):
    verdict = prove(example_class, RECIPE, CELL, folder, folder, STEPS)
    assert (verdict["lockstep"], verdict["why"]) == ("pass", "")
    assert 0 < verdict["float64_deviation"] < 1e-12
    print(verdict["by_step"], verdict["deviations"])


def test_weights_begin_as_the_declaration_says(example_class):
    for name, array in example_class(RECIPE).get_weights().items():
        if name.endswith(".bias"):
            assert not array.any(), name
        else:
            limit = np.sqrt(6 / sum(_fans(array.shape)))
            assert 0.97 * limit < np.abs(array).max() < 1.00001 * limit, name
            assert array.std() == pytest.approx(limit / np.sqrt(3), rel=0.1), name


def test_the_settings_are_the_declared_ones_and_pixels_go_from_0_to_1(example_class, folder):
    example = load(f"lenet_{example_class.framework}")
    assert RECIPE.batch_size == example.BATCH
    assert RECIPE.epochs == example.EPOCHS
    example.FILE = folder / "mnist.npz"
    images, labels = (part.asnumpy() if hasattr(part, "asnumpy") else part for part in example.digits("test"))
    with np.load(example.FILE) as archive:
        np.testing.assert_allclose(np.asarray(images).reshape(-1, 28, 28), archive["x_test"] / 255, atol=1e-6)
        np.testing.assert_array_equal(labels, archive["y_test"])


def test_runs_alone_and_prints_the_accuracy_of_each_epoch(example_class, folder, tmp_path):
    """Beside its file of digits and nothing of ours; it takes the folder that it lies in."""
    name = f"lenet_{example_class.framework}.py"
    shutil.copy(EXAMPLES / name, tmp_path)
    shutil.copy(folder / "mnist.npz", tmp_path)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    line = [sys.executable, tmp_path / name]
    printed = subprocess.run(line, cwd="/", env=variables, capture_output=True, text=True, check=True).stdout
    accuracies = [float(found) for found in re.findall(r"^.*accuracy:? (\d\.\d+)", printed, re.MULTILINE)]
    assert len(accuracies) == RECIPE.epochs, printed
    assert accuracies[-1] > 0.5, printed
