"""NumPy's archives: as Keras and MedMNIST write them, of pickled objects, and a header that claims 10^12 images."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError
from benchmarks.plan.data import ARRAY_NAMES, MAX_CLASSES
from benchmarks.plan.data.readers import read_npz

ERRORS = DataError
TOKENS = (b"x_train.npy", b"\x93NUMPY\x01\0", b"'descr': '|u1'", b"'|O'", b"'<f8'", b"(999999999999, 28, 28)", b"True")
KERAS = ("x_train", "y_train", "x_test", "y_test")


def seeds() -> Iterator[bytes]:
    images, labels = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28), np.array([3, 4])
    colours = images.reshape(2, 28, 7, 4)
    for names, pixels in ((KERAS, images), (ARRAY_NAMES, images.reshape(2, 784) / 255), (KERAS, colours)):
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **dict(zip(names, (pixels, labels) * 2, strict=True)))
            yield file.getvalue()
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **dict.fromkeys(KERAS, np.array([None])))
    yield file.getvalue()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (250_000, 28, 28)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in KERAS:
            archive.writestr(f"{name}.npy", header.getvalue())
    yield file.getvalue()


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    for found in filter(None, read_npz(path)):
        assert found.images.size
        assert found.images.ndim in (3, 4)
        assert found.labels.max() < MAX_CLASSES
