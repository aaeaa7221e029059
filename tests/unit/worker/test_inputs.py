from __future__ import annotations

import numpy as np
import pytest

from adapters.declaration import Pixels
from adapters.networks import declared
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from benchmarks.worker.__main__ import _measured
from benchmarks.worker.inputs import WRITTEN_TO, Inputs, prepare_inputs


@pytest.fixture
def inputs(tmp_path):
    generator = np.random.default_rng(0)
    for part, size in (("train", 25), ("test", 7)):
        np.save(tmp_path / f"{part}_images.npy", generator.integers(0, 256, (size, 1, 28, 28), np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", np.arange(size, dtype=np.uint8) % 10)
    prepare_inputs(tmp_path, RECIPES["mlp"], 3, 25, 4)
    return Inputs.open(tmp_path, tmp_path, Pixels(), "float32")


def test_an_epoch_has_every_sample_once_full_batches_first(inputs):
    (images, labels), (rest, rest_labels) = inputs.train(0, 10)
    assert images.shape == (2, 10, 1, 28, 28)
    assert rest.shape == (1, 5, 1, 28, 28)
    assert labels.dtype == np.int64
    order = inputs.orders[0]
    assert sorted(order) == list(range(25))
    np.testing.assert_array_equal(np.concatenate([labels.ravel(), rest_labels.ravel()]), inputs.train_labels[order])
    np.testing.assert_array_equal(images[1, 3], (inputs.train_images[order[13]] / 255).astype("float32"))


def test_each_epoch_has_an_order_of_its_own(inputs):
    assert (inputs.orders[0] != inputs.orders[1]).any()
    for epoch, order in enumerate((*inputs.orders, inputs.orders[0])):  # and begins again after the last
        (_, labels), _ = inputs.train(epoch, 10)
        np.testing.assert_array_equal(labels.ravel(), inputs.train_labels[order[:20]])


@pytest.mark.parametrize("batch_size", [10, 40])
def test_what_is_fed_are_the_full_batches_of_the_first_epoch(inputs, batch_size):
    samples, digits, rows = inputs.in_memory(batch_size)
    images, labels = next(inputs.train(0, batch_size))
    np.testing.assert_array_equal(samples[rows], images)
    np.testing.assert_array_equal(digits[rows], labels)
    assert samples.dtype == images.dtype


def test_a_batch_larger_than_the_data_set_wraps_round(inputs):
    [(images, labels)] = inputs.train(0, 40)
    assert images.shape == (1, 40, 1, 28, 28)
    np.testing.assert_array_equal(labels[0, 25:], labels[0, :15])


def test_test_images_are_never_wrapped(inputs):
    [(images, labels)] = inputs.test(40)
    assert images.shape == (1, 7, 1, 28, 28)
    np.testing.assert_array_equal(labels[0], inputs.test_labels)


def test_pixels_are_scaled_as_declared(tmp_path, inputs):
    scaled = Inputs.open(tmp_path, tmp_path, Pixels(-1, 1), "float64")
    images, _ = next(scaled.test(7))
    np.testing.assert_allclose(images[0], scaled.test_images / 255 * 2 - 1, atol=1e-15)


@pytest.mark.parametrize("name", ["train_images", "test_labels", "orders"])
def test_a_launch_whose_inputs_were_written_to_is_invalid(tmp_path, inputs, name):
    class Writes(NumpyAdapter):
        def placement(self):
            np.load(tmp_path / f"{name}.npy", mmap_mode="r+")[0, ...] += 1
            return super().placement()

    cell = {"threads": 1, "recipe": "mlp", "device": "cpu", "mode": "eager", "dtype": "float32", "batch_size": 5}
    folders = {"data": str(tmp_path), "inputs": str(tmp_path)}
    about = {"cell": cell, "network": declared(RECIPES["mlp"])}
    request = {"task": "evaluate", **about, "weights": {}, "outputs": {}, **folders}
    assert "status" not in _measured(NumpyAdapter, request, 0.0, 1)
    assert _measured(Writes, request, 0.0, 1) == {"status": "invalid", "reason": WRITTEN_TO}
