"""The data sets a sweep trains on: four arrays each, whose checksum does not depend on the file format.

    sources (named), own (a path) -> readers, tables, pictures -> Labelled -> Dataset -> prepared

Images are (N, C, H, W) from `Dataset` on; readers leave out the axis of one channel. Everything is checked in this
package, before any cell starts; a worker only maps four arrays of the right shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError

Array = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.unsignedinteger]
Arrays = tuple[Array, Labels, Array, Labels]
Shape = tuple[int, ...]
ARRAY_NAMES = ("train_images", "train_labels", "test_images", "test_labels")
# Whatever a header claims; the largest sets of digits anyone trains on here (EMNIST) have 240,000.
MAX_IMAGES = 250_000
MAX_BYTES = 256 << 20  # of the pixels of one part: EMNIST's have 188 MB, those of CIFAR-10 154 MB
MAX_SIDE = 1024  # of an image
MAX_CLASSES = 1000
LABEL = f"a label 0-{MAX_CLASSES - 1}"
FITS = f"images of one size fit, grey or in colours, with labels that are whole numbers from 0 to {MAX_CLASSES - 1}"


@dataclass(frozen=True)
class Labelled:
    """What one file or folder holds: images uint8 (N, H, W) or (N, C, H, W), labels unsigned (N,).

    `remarks` say what its reader left out, `names` what the classes are called where that is known.
    """

    images: Array
    labels: Labels
    remarks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Images uint8 (N, C, H, W) with pixels 0-255, labels (N,) from 0: uint8, or uint16 where one is above 255.

    `sha256` is that of the decoded arrays, so one content has one checksum in every file format; `source`
    says in words where it came from and holds no path. `notes` are lines for the person who gave it.
    """

    name: str
    sha256: str
    train_images: Array
    train_labels: Labels
    test_images: Array
    test_labels: Labels
    source: str
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> Arrays:
        """The four arrays in the order of ARRAY_NAMES."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels

    @property
    def image_shape(self) -> Shape:
        """Channels, height and width of every image."""
        return self.train_images.shape[1:]

    @property
    def classes(self) -> int:
        """How many classes there are: one more than the largest label."""
        return class_count(self.train_labels, self.test_labels)


def class_count(*labels: Labels) -> int:
    """Return how many classes labels (N,) are of, together: one more than the largest."""
    return 1 + max(int(part.max()) for part in labels)


def as_labels(labels: npt.NDArray[np.number]) -> Labels:
    """Return whole numbers from 0 in the type that labels are kept in."""
    return labels.astype(np.uint16 if len(labels) and labels.max() > np.iinfo(np.uint8).max else np.uint8)


def size(shape: Sequence[int]) -> str:
    """Return the shape of an image as it stands in messages: 1x28x28."""
    return "x".join(map(str, shape))


def content_sha256(arrays: Arrays) -> str:
    """Return the hex sha256 of the four arrays, each preceded by its name and shape.

    An axis of one channel does not count: grey images have one checksum with it and without.
    """
    digest = hashlib.sha256()
    for name, array in zip(ARRAY_NAMES, arrays, strict=True):
        shape = (*array.shape[:1], *array.shape[2:]) if array.ndim == 4 and array.shape[1] == 1 else array.shape
        digest.update(f"{name} {shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def dataset(name: str, arrays: Arrays, source: str, class_names: tuple[str, ...] = ()) -> Dataset:
    """Return the data set of four arrays that a reader has checked one by one.

    Raises DataError where the shapes are not those of `Labelled`, the counts of a pair differ, or the images of both
    parts do.
    """
    for images, labels, part in ((*arrays[:2], "train"), (*arrays[2:], "test")):
        if images.ndim not in (3, 4) or labels.ndim != 1 or not len(images):
            raise DataError(
                f"dataset corrupt: {name}, {part}: expected images (N, H, W) or (N, C, H, W) and labels (N,), N > 0,"
                f" found {images.shape} and {labels.shape}"
            )
        if len(images) != len(labels):
            raise DataError(
                f"dataset corrupt: {name}, {part}: expected as many labels as images,"
                f" found {len(images)} images and {len(labels)} labels"
            )
    train, test = (images if images.ndim == 4 else images[:, None] for images in arrays[::2])
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"dataset does not fit: {name}: expected images of one size, found {size(train.shape[1:])} to train on and"
            f" {size(test.shape[1:])} to test on"
        )
    kind = np.result_type(arrays[1], arrays[3])
    whole: Arrays = train, arrays[1].astype(kind), test, arrays[3].astype(kind)
    return Dataset(name, content_sha256(whole), *whole, source, class_names)


def every_fifth(images: Array, labels: Labels) -> Arrays:
    """Split one list of images: within each class, in file order, every fifth image is a test image.

    Both parts keep the order of the file; no random number is involved, so the split is the same everywhere.
    """
    test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        test[np.flatnonzero(labels == label)[4::5]] = True
    return images[~test], labels[~test], images[test], labels[test]
