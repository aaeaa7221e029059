"""What a results file keeps of its data, so that a page can be made from it alone: a few digits and their balance."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.datasets import Prepared
from benchmarks.mistakes import DIGITS

Array = npt.NDArray[np.uint8]


def arrays(data: Prepared, part: str) -> tuple[Array, Array]:
    """Return images (N, H, W) and labels (N,) of `train` or `test`, mapped from the disk."""
    images, labels = (
        np.load(data.folder / f"{part}_{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in ("images", "labels")
    )
    return images, labels


def pixels(image: Array) -> str:
    """Return an image's bytes, row after row, as base64."""
    return base64.b64encode(image.tobytes()).decode()


def about(data: Prepared) -> dict[str, Any]:
    """Return a data set's record: class balance, and the first training image of each class that has one."""
    images, labels = arrays(data, "train")
    firsts = [int(np.argmax(labels == digit)) for digit in range(DIGITS) if (labels == digit).any()]
    return {
        "name": data.name,
        "sha256": data.sha256,
        "train_counts": np.bincount(labels, minlength=DIGITS).tolist(),
        "test_counts": np.bincount(arrays(data, "test")[1], minlength=DIGITS).tolist(),
        "height": images.shape[1],
        "width": images.shape[2],
        "samples": [pixels(images[first]) for first in firsts],
    }


def test_image(data: Prepared, index: int) -> dict[str, Any]:
    """Return the record of one test image."""
    images, labels = arrays(data, "test")
    found = {"dataset": data.name, "sha256": data.sha256, "index": index, "label": int(labels[index])}
    return {**found, "pixels": pixels(images[index])}
