"""Picture files, which anyone may have made: one as grey pixels, and a folder of them for each class as a data set.

PNG and JPEG only. Each is opened by its own class of Pillow, not by Image.open: that one tries every format that Pillow
knows, and its limit of pixels is a setting of the whole process. Both tell their size before anything is decompressed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from benchmarks.errors import DataError, count, shown
from benchmarks.plan.data import MAX_IMAGES, Array, Digits
from benchmarks.plan.data.opening import names, open_data, unfit

MAX_PIXELS = 50_000_000  # the largest photographs that telephones write
MAX_BYTES = 32 << 20
MAX_SCANS = 200  # a progressive JPEG has about ten; each goes over all pixels, and thousands fit into 100 kB
MAX_SIDE = 512  # the longer side of what is returned has fewer than twice as many pixels
OPENERS: dict[bytes, type[ImageFile]] = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
SCAN = b"\xff\xda"
WHITE = (255, 255, 255, 255)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Array:
    """Return the grey pixels (H, W) of a PNG or JPEG, upright, what is transparent over white; DataError otherwise.

    A large picture is reduced by a whole number. Its size is read from the header; above `max_pixels` nothing of it is
    decompressed.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"a file of {len(data):,} bytes: more than {MAX_BYTES >> 20} MiB; save the picture smaller")
    opener = next((found for magic, found in OPENERS.items() if data.startswith(magic)), None)
    if opener is None:
        raise DataError(f"{'an empty file' if not data else 'not a PNG or JPEG'}; save the picture as one of them")
    try:
        with opener(io.BytesIO(data)) as image:
            _check_size(image, data, max_pixels)
            return _pixels(image)
    except DataError:
        raise
    except Exception as error:  # Pillow lets out whatever its parsing meets: OSError, SyntaxError, struct.error, ...
        raise DataError(f"damaged or cut short: {ascii(error)[:200]}; save the picture again") from error


def _check_size(image: ImageFile, data: bytes, max_pixels: int) -> None:
    """Raise DataError for more pixels, or more passes over them, than a picture of a digit has."""
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(f"{width}x{height} pixels: more than {max_pixels / 1e6:g} megapixels; save the picture smaller")
    if isinstance(image, JpegImageFile) and data.count(SCAN) > MAX_SCANS:
        raise DataError(f"a JPEG of more than {MAX_SCANS} scans; save the picture again")


def _pixels(image: ImageFile) -> Array:
    """Decompress, turn as the camera was held, make small, lay over white, and make grey."""
    image.draft(
        image.mode, (MAX_SIDE, MAX_SIDE)
    )  # a JPEG is decompressed at a half, a quarter or an eighth where that does
    ImageOps.exif_transpose(image, in_place=True)
    whole: Image.Image = image
    if whole.mode.startswith("I"):  # 16 bits: Pillow's own conversion to 8 cuts off what is above 255
        whole = Image.fromarray((np.asarray(whole).astype(np.uint32) >> 8).astype(np.uint8))
    whole = whole.convert("RGBA" if whole.has_transparency_data else "L")
    small = whole.reduce(max(1, max(whole.size) // MAX_SIDE))
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, WHITE), small).convert("L")
    return np.asarray(small)


ENDINGS = (".png", ".jpg", ".jpeg")
MAX_DIGIT_PIXELS = 1_000_000  # of a picture in a data set, which must have 28x28: enough to name the size of others
MAX_DIGIT_BYTES = 1 << 20


def decoded(data: bytes, path: Path, place: str = "its pixels") -> Array:
    """Return the grey pixels (28, 28) of a PNG or JPEG in a data set; DataError with its place otherwise."""
    if len(data) > MAX_DIGIT_BYTES:
        raise unfit(path, place, "28x28", f"a picture of more than {MAX_DIGIT_BYTES:,} bytes")
    try:
        grey = decode(data, MAX_DIGIT_PIXELS)
    except DataError as error:
        raise DataError(f"dataset corrupt: {shown(path)}, {place}: {error}") from error
    if grey.shape != (28, 28):
        raise unfit(path, place, "28x28", f"{grey.shape[1]}x{grey.shape[0]}")
    return grey


def read_pictures(folder: Path, classes: Sequence[str]) -> Digits:
    """Return the pictures of a folder for each class, in the order of their names; the first class has label 0.

    Files with another ending are left out. Raises DataError with the file that is no picture of 28x28.
    """
    images, labels, others = bytearray(), bytearray(), 0
    for label, name in enumerate(classes):
        for file in names(folder / name) if (folder / name).is_dir() else ():
            if not file.lower().endswith(ENDINGS):
                others += 1
                continue
            path = folder / name / file
            with open_data(path, tuple(OPENERS)) as handle:
                images += decoded(handle.read(MAX_DIGIT_BYTES + 1), path).tobytes()
            labels.append(label)
            if len(labels) > MAX_IMAGES:
                raise DataError(f"{shown(folder)} has more than {MAX_IMAGES} pictures; give a part of them")
    remarks = (f"{count(others, 'other file')} in {shown(folder.name)} left out",) if others else ()
    return Digits(np.frombuffer(images, np.uint8).reshape(-1, 28, 28), np.frombuffer(labels, np.uint8), remarks)
