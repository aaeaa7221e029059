"""Picture files, which anyone may have made: one as its pixels, and a folder of them for each class as a data set.

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
from benchmarks.plan.data import Array, Labelled, as_labels
from benchmarks.plan.data.opening import names, open_data, unfit
from benchmarks.plan.data.readers import judge_size

MAX_PIXELS = 50_000_000  # the largest photographs that telephones write
MAX_BYTES = 32 << 20
MAX_SCANS = 200  # a progressive JPEG has about ten; each goes over all pixels, and thousands fit into 100 kB
MAX_SIDE = 512  # the longer side of what is returned has fewer than twice as many pixels
OPENERS: dict[bytes, type[ImageFile]] = {b"\x89PNG\r\n\x1a\n": PngImageFile, b"\xff\xd8\xff": JpegImageFile}
SCAN = b"\xff\xda"
WHITE = (255, 255, 255, 255)
GREY = ("1", "L", "LA")


def decode(data: bytes, max_pixels: int = MAX_PIXELS, colours: bool = False, whole: bool = False) -> Array:
    """Return the grey pixels (H, W) of a PNG or JPEG, upright, what is transparent over white; DataError otherwise.

    With `colours` those of a picture that has some are (H, W, 3). Unless it is wanted `whole`, a large picture is
    reduced by a whole number. Its size is read from the header; above `max_pixels` nothing of it is decompressed.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"a file of {len(data):,} bytes: more than {MAX_BYTES >> 20} MiB; save the picture smaller")
    opener = next((found for magic, found in OPENERS.items() if data.startswith(magic)), None)
    if opener is None:
        raise DataError(f"{'an empty file' if not data else 'not a PNG or JPEG'}; save the picture as one of them")
    try:
        with opener(io.BytesIO(data)) as image:
            _check_size(image, data, max_pixels)
            return _pixels(image, colours, whole)
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


def _pixels(image: ImageFile, colours: bool, whole: bool) -> Array:
    """Decompress, turn as the camera was held, make small, lay over white, and make grey unless colours are wanted."""
    if not whole:  # a JPEG is decompressed at a half, a quarter or an eighth where that does
        image.draft(image.mode, (MAX_SIDE, MAX_SIDE))
    ImageOps.exif_transpose(image, in_place=True)
    made: Image.Image = image
    if made.mode.startswith("I"):  # 16 bits: Pillow's own conversion to 8 cuts off what is above 255
        made = Image.fromarray((np.asarray(made).astype(np.uint32) >> 8).astype(np.uint8))
    kind = "RGB" if colours and made.mode not in GREY else "L"
    made = made.convert("RGBA" if made.has_transparency_data else kind)
    made = made if whole else made.reduce(max(1, max(made.size) // MAX_SIDE))
    if made.mode == "RGBA":
        made = Image.alpha_composite(Image.new("RGBA", made.size, WHITE), made).convert(kind)
    pixels = np.asarray(made)
    return pixels[..., 0] if pixels.ndim == 3 and (pixels == pixels[..., :1]).all() else pixels


ENDINGS = (".png", ".jpg", ".jpeg")
MAX_SAMPLE_PIXELS = 1_000_000  # of a picture in a data set, from which nothing is reduced
MAX_SAMPLE_BYTES = 1 << 20


class Stack:
    """The pictures of a data set, which all have the size of the first; colours make grey ones have them too."""

    def __init__(self) -> None:
        self.images: list[Array] = []  # (H, W), or (H, W, 3) with colours
        self.channels = 1

    def add(self, data: bytes, path: Path, place: str = "its pixels") -> None:
        """Add a PNG or JPEG; DataError with its place for what is none, or of another size."""
        if len(data) > MAX_SAMPLE_BYTES:
            raise unfit(path, place, "a picture of a data set", f"one of more than {MAX_SAMPLE_BYTES:,} bytes")
        try:
            found = decode(data, MAX_SAMPLE_PIXELS, colours=True, whole=True)
        except DataError as error:
            raise DataError(f"dataset corrupt: {shown(path)}, {place}: {error}") from error
        if self.images and found.shape[:2] != self.images[0].shape[:2]:
            first, other = (f"{image.shape[1]}x{image.shape[0]}" for image in (self.images[0], found))
            raise unfit(path, place, f"{first} as the first picture has", other)
        self.images.append(found)
        self.channels = max(self.channels, 1 if found.ndim == 2 else found.shape[2])
        judge_size(path, place, len(self.images), (self.channels, *found.shape[:2]))

    def array(self) -> Array:
        """Return all pictures, (N, H, W), or (N, 3, H, W) where one has colours."""
        if self.channels == 1:
            return np.stack(self.images)
        shape = (len(self.images), *self.images[0].shape[:2], self.channels)
        made = np.empty(shape, np.uint8)
        for place, image in zip(made, self.images, strict=True):
            place[...] = image if image.ndim == 3 else image[..., None]
        return np.ascontiguousarray(made.transpose(0, 3, 1, 2))


def read_pictures(folder: Path, classes: Sequence[str]) -> Labelled:
    """Return the pictures of a folder for each class, in the order of their names; the first class has label 0.

    Files with another ending are left out. Raises DataError with the file that is no picture, or of another size.
    """
    pictures, labels, others = Stack(), [], 0
    for label, name in enumerate(classes):
        for file in names(folder / name) if (folder / name).is_dir() else ():
            if not file.lower().endswith(ENDINGS):
                others += 1
                continue
            path = folder / name / file
            with open_data(path, tuple(OPENERS)) as handle:
                pictures.add(handle.read(MAX_SAMPLE_BYTES + 1), path)
            labels.append(label)
    if not labels:
        raise DataError(f"{shown(folder)} has no pictures of its classes; put some in, or leave the folder out")
    remarks = (f"{count(others, 'other file')} in {shown(folder.name)} left out",) if others else ()
    return Labelled(pictures.array(), as_labels(np.array(labels)), remarks)
