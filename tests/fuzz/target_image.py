"""Pictures: each kind of PNG and JPEG that Pillow writes, headers that claim more pixels than anyone has, EXIF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.errors import DataError
from benchmarks.models.pictures import mnist_like, resized
from benchmarks.plan.data.pictures import decode

ERRORS = DataError
TOKENS = (
    b"IHDR",
    b"IDAT",
    b"tRNS",
    b"PLTE",
    b"eXIf",
    b"iCCP",
    b"zTXt",
    b"Exif\0\0",
    b"\xff\xda",
    b"\xff\xc2",
    b"MPF\0",
)
MAX_PIXELS = 1 << 18  # seconds are for many files, not for large ones


def seeds() -> Iterator[bytes]:
    grey = Image.fromarray(np.kron(np.eye(3, dtype=np.uint8), np.full((5, 5), 200, np.uint8)))
    turned = Image.Exif()
    turned[0x112] = 6
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield written(grey.convert(mode), "PNG")
    for mode in ("L", "RGB", "CMYK"):
        yield written(grey.convert(mode), "JPEG", exif=turned)
    yield written(grey, "JPEG", progressive=True)
    yield written(grey, "PNG", exif=turned)
    yield written(Image.new("1", (10_000, 10_000)), "PNG")[:200]


def written(image: Image.Image, kind: str, **more: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    grey = decode(path.read_bytes(), MAX_PIXELS)
    assert grey.ndim == 2
    assert grey.dtype == np.uint8
    whole = decode(path.read_bytes(), MAX_PIXELS, colours=True, whole=True)
    assert whole.shape[2:] in ((), (3,))
    assert resized(grey).shape == (28, 28)
    assert mnist_like(grey).shape == (28, 28)
