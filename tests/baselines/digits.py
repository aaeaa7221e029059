"""The digits that plain loops train on, read with NumPy alone: frameworks' environments hold no pooch."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
HELP = "folder of the four MNIST files; default: LOCKSTEP_DATA, else noise, which says so"


def load(folder: Path | None) -> tuple[Array, Array]:
    """Return pixels 0..1, (N, 1, 28, 28) float32, and labels, (N,) int64: MNIST's 60,000, else 10,000 of noise."""
    if folder is None:
        print("no MNIST files (--data, LOCKSTEP_DATA): pixels and labels are noise", file=sys.stderr)
        generator = np.random.default_rng(0)
        pixels = generator.integers(0, 256, (10_000, 784), np.uint8)
        labels = generator.integers(0, 10, 10_000, np.uint8)
    else:  # IDX: 16 and 8 bytes of header
        pixels = np.frombuffer(read(Path(folder, "train-images-idx3-ubyte.gz")), np.uint8, offset=16)
        labels = np.frombuffer(read(Path(folder, "train-labels-idx1-ubyte.gz")), np.uint8, offset=8)
    return pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255, labels.astype(np.int64)


def read(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()


def batches(pixels: Array, labels: Array, batch_size: int) -> tuple[Array, Array]:
    """Return (S, B, 1, 28, 28) and (S, B): whole batches in order."""
    steps = len(labels) // batch_size
    return tuple(array[: steps * batch_size].reshape(steps, batch_size, *array.shape[1:]) for array in (pixels, labels))
