"""The data sets a sweep trains on: four arrays each, whose checksum does not depend on the file format.

    sources (named), own (a path) -> readers, tables, pictures -> Dataset -> prepared

Everything is checked in this package, before any cell starts; a worker only maps four arrays of the right shape.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError

Array = npt.NDArray[np.uint8]
Arrays = tuple[Array, Array, Array, Array]
ARRAY_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
# 196 MB of pixels at most, whatever a header claims; the largest digits anyone trains on here (EMNIST) are 240,000.
MAX_IMAGES = 250_000
FITS = "the networks here read grey images of 28x28 pixels in ten classes, labels 0-9"


@dataclass(frozen=True)
class Digits:
    """Images uint8 (N, 28, 28) and labels uint8 (N,) of one file or folder; `remarks` say what its reader left out."""

    images: Array
    labels: Array
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, 28, 28) with pixels 0-255, labels uint8 (N,) with digits 0-9.

    `sha256` is that of the decoded arrays, so one content has one checksum in every file format; `source`
    says in words where it came from and holds no path. `notes` are lines for the person who gave it.
    """

    name: str
    sha256: str
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    source: str
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> Arrays:
        """The four arrays in the order of ARRAY_NAMES."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


def content_sha256(arrays: Arrays) -> str:
    """Return the hex sha256 of the four arrays, each preceded by its name and shape."""
    digest = hashlib.sha256()
    for name, array in zip(ARRAY_NAMES, arrays, strict=True):
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def dataset(name: str, arrays: Arrays, source: str) -> Dataset:
    """Return the data set of four arrays that a reader has checked one by one.

    Raises DataError where the shapes are not those of `Dataset` or the counts of a pair differ.
    """
    for images, labels, part in ((*arrays[:2], "train"), (*arrays[2:], "test")):
        if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.ndim != 1 or not len(images):
            raise DataError(
                f"dataset corrupt: {name}, {part}: expected images (N, 28, 28) and labels (N,), N > 0,"
                f" found {images.shape} and {labels.shape}"
            )
        if len(images) != len(labels):
            raise DataError(
                f"dataset corrupt: {name}, {part}: expected as many labels as images,"
                f" found {len(images)} images and {len(labels)} labels"
            )
    return Dataset(name, content_sha256(arrays), *arrays, source)


def every_fifth(images: Array, labels: Array) -> Arrays:
    """Split one list of images: within each digit, in file order, every fifth image is a test image.

    Both parts keep the order of the file; no random number is involved, so the split is the same everywhere.
    """
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[4::5]] = True
    return images[~test], labels[~test], images[test], labels[test]
