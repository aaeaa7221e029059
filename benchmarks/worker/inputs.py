"""From the prepared arrays to batches: the same pixels in the same order for every framework.

The parent writes images, batch orders and initial weights once; workers read them by memory map, because
NumPy's random streams may differ between the versions that the frameworks' environments hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import storage
from adapters.declaration import Pixels, Recipe
from adapters.weights import Weights, initial_weights

Array = npt.NDArray[Any]
WRITTEN_TO = "the data, the order or the initial weights are no longer what they were: something wrote to them"


def write_weights(path: Path, weights: Weights) -> None:
    """Write arrays by parameter name as .npz, the form in which weights cross between parent and worker."""
    np.savez(path, **weights)  # type: ignore[arg-type]  # its last keyword is allow_pickle


def read_weights(path: Path) -> Weights:
    """Return the arrays of such a file."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def copied(weights: Weights) -> Weights:
    """Return copies to hand out: an adapter may keep them, and write to them."""
    return {name: array.copy() for name, array in weights.items()}


def write_inputs(folder: Path, weights: Weights, seed: int, train_size: int, epochs: int) -> None:
    """Write weights.npz and orders.npy, (epochs, train_size) int32: one permutation per epoch from the seed."""
    write_weights(folder / "weights.npz", weights)
    generator = np.random.default_rng(seed)
    orders = np.stack([generator.permutation(train_size) for _ in range(max(1, epochs))]).astype(np.int32)
    np.save(folder / "orders.npy", orders)


def prepare_inputs(folder: Path, recipe: Recipe, seed: int, train_size: int, epochs: int) -> None:
    """Write what write_inputs does, with the recipe's initial weights at this seed."""
    write_inputs(folder, initial_weights(recipe.model, recipe.initialiser, seed), seed, train_size, epochs)


def pixel_values(pixels: Pixels, dtype: str) -> Array:
    """Return what each byte of an image becomes, (256,) in the storage type of `dtype`."""
    return np.asarray(pixels.low + (pixels.high - pixels.low) * np.arange(256) / 255, storage(dtype))


@dataclass(frozen=True)
class Inputs:
    """What a worker trains and evaluates on; images uint8 (N, C, H, W), labels unsigned (N,), by memory map."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    orders: Array
    weights: Weights
    pixels: Array  # (256,) what each byte becomes, in the storage type of the cell's dtype

    @classmethod
    def open(cls, data: Path, folder: Path, pixels: Pixels, dtype: str) -> Inputs:
        arrays = {
            name: np.load(data / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("train_images", "train_labels", "test_images", "test_labels")
        }
        weights = read_weights(folder / "weights.npz")
        orders = np.load(folder / "orders.npy", mmap_mode="r", allow_pickle=False)
        return cls(**arrays, orders=orders, weights=weights, pixels=pixel_values(pixels, dtype))

    @property
    def classes(self) -> int:
        """How many classes the labels are of: one more than the largest."""
        return 1 + int(max(self.train_labels.max(), self.test_labels.max()))

    def sha256(self) -> str:
        """Return a hash of all of it, as the files have it now; only files and weights can change."""
        found = hashlib.sha256()
        arrays = (self.train_images, self.train_labels, self.test_images, self.test_labels, self.orders)
        for array in (*arrays, *self.weights.values()):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def train(self, epoch: int, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Yield (images, labels) of the epoch's full batches, then of its remainder, if there is one.

        images (S, B, C, H, W) in its storage type, labels (S, B) int64. A batch larger than the data set
        wraps round.
        """
        yield from self.cut(self.train_images, self.train_labels, self.order(epoch, batch_size), batch_size)

    def order(self, epoch: int, batch_size: int) -> Array:
        """Return the epoch's order of the training samples, (N,), or (batch_size,) where that is more."""
        order = self.orders[epoch % len(self.orders)]
        return np.resize(order, batch_size) if batch_size > len(order) else order

    def in_memory(self, batch_size: int) -> tuple[Array, Array, Array]:
        """Return what the first full batches are gathered from: images (N, C, H, W), labels (N,), rows (S, B)."""
        order = self.order(0, batch_size).astype(np.int64)
        rows = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)
        return self.pixels[self.train_images], self.train_labels.astype(np.int64), rows

    def steps(self, count: int, batch_size: int) -> tuple[Array, Array]:
        """Return the first `count` batches, epoch after epoch without a break: (S, B, C, H, W), (S, B)."""
        order = np.resize(self.orders.ravel(), count * batch_size)
        return next(self.cut(self.train_images, self.train_labels, order, batch_size))

    def tests(self, count: int, batch_size: int) -> tuple[Array, Array]:
        """Return the first `count` test images as full batches, wrapping round: (S, B, C, H, W), (S, B)."""
        order = np.resize(np.arange(len(self.test_labels)), count)
        return next(self.cut(self.test_images, self.test_labels, order, batch_size))

    def test(self, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Yield the test images likewise, in their own order, never wrapped."""
        size = min(batch_size, len(self.test_labels))
        yield from self.cut(self.test_images, self.test_labels, np.arange(len(self.test_labels)), size)

    def cut(self, images: Array, labels: Array, order: Array, size: int) -> Iterator[tuple[Array, Array]]:
        whole = len(order) // size * size
        for part, width in ((order[:whole], size), (order[whole:], len(order) - whole)):
            if len(part):
                pixels = self.pixels[images[part]]
                yield pixels.reshape(-1, width, *images.shape[1:]), labels[part].astype(np.int64).reshape(-1, width)
