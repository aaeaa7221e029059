"""Readers of the files that hold arrays: MNIST's own IDX, NumPy's .npz as Keras has it, and the lists of mnist.json.gz.

A file is data from a stranger, gzipped or not: no reader reserves memory for what a header claims, each keeps at most
MAX_IMAGES images, and each error is one line with the file, the place, what was expected and what was found.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError, shown
from benchmarks.plan.data import (
    ARRAY_NAMES,
    LABEL,
    MAX_BYTES,
    MAX_CLASSES,
    MAX_IMAGES,
    MAX_SIDE,
    Array,
    Labelled,
    Labels,
    Shape,
    as_labels,
)
from benchmarks.plan.data.opening import File, corrupt, open_data, unfit, written

BLOCK_BYTES = 1 << 18
DIMENSIONS = {0x00000803: 2, 0x00000801: 0}  # magic numbers: unsigned bytes of images and of labels; an item's axes


def read_idx(path: Path) -> Array:
    """Return the content of an IDX file, gzipped or not: images uint8 (N, H, W) or labels uint8 (N,).

    Raises DataError with the offset in the decoded file. Source: http://yann.lecun.com/exdb/mnist/, "file formats".
    """
    with open_data(path) as handle:
        magic = _word(handle, path, 0)
        if magic not in DIMENSIONS:
            raise corrupt(path, "offset 0", "magic 0x00000803 or 0x00000801", f"0x{magic:08x}")
        count = _word(handle, path, 4)
        if not 1 <= count <= MAX_IMAGES:
            raise corrupt(path, "offset 4", f"1 to {MAX_IMAGES} items", count)
        shape = [_word(handle, path, 8 + 4 * axis) for axis in range(DIMENSIONS[magic])]
        for axis, side in enumerate(shape):
            if not 1 <= side <= MAX_SIDE:
                what = ("rows", "columns")[axis]
                raise unfit(path, f"offset {8 + 4 * axis}", f"1 to {MAX_SIDE} {what} of pixels", side)
        judge_size(path, "offset 4", count, shape)
        content = _content(handle, path, 8 + 4 * len(shape), count * math.prod(shape))
    return np.frombuffer(content, dtype=np.uint8).reshape(count, *shape)


def judge_size(path: Path, place: str, count: int, shape: Sequence[int]) -> None:
    """Raise DataError for more images, or more pixels in all, than a part of a data set has."""
    if count > MAX_IMAGES:
        raise corrupt(path, place, f"at most {MAX_IMAGES} images", "more")
    if (found := count * math.prod(shape)) > MAX_BYTES:
        raise corrupt(path, place, f"at most {MAX_BYTES:,} pixels in all", f"{found:,}; give a part of the images")


def _word(handle: File, path: Path, offset: int) -> int:
    word = handle.read(4)
    if len(word) != 4:
        raise corrupt(path, f"offset {offset}", "a header word of 4 bytes", f"{len(word)} bytes")
    return int.from_bytes(word, "big")


def _content(handle: File, path: Path, start: int, size: int) -> bytearray:
    content = bytearray()  # grows with what really arrives: a header alone never costs memory
    while block := handle.read(min(BLOCK_BYTES, size + 1 - len(content))):
        content += block
        if len(content) > size:
            raise corrupt(path, f"offset {start + size}", "the end of the data", "trailing bytes")
    if len(content) < size:
        raise corrupt(path, f"offset {start + len(content)}", f"{size} bytes of data", f"{len(content)} bytes")
    return content


MAX_ARRAY_BYTES = 512 << 20  # 70,000 images of float64, or 250,000 of uint8
MAX_READ_BYTES = 1 << 20  # at once: zipfile reads an archive's whole list of names so
SETS = (("x_train", "y_train", "x_test", "y_test"), ARRAY_NAMES)  # Keras's mnist.npz; MedMNIST's
LISTS = (("images", "labels"), ("images", "target"))  # still to be split; the second are scikit-learn's
CHANNELS = 4  # at most, or the axis is none of channels
FORMS = "(N, H, W), (N, H, W, C), (N, C, H, W) or square (N, H*W)"


class _Pieces(io.FileIO):
    """A file of which nobody gets more than MAX_READ_BYTES at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, or all that is left."""
        wanted = MAX_READ_BYTES + 1 if size is None or not 0 <= size <= MAX_READ_BYTES else size
        if len(piece := super().read(wanted)) > MAX_READ_BYTES:
            raise zipfile.BadZipFile("its list of contents is too long")
        return piece


def read_npz(path: Path) -> tuple[Labelled, Labelled | None]:
    """Return what is to train on and to test on of an .npz of four arrays, named as SETS has them, or one list of two.

    Images are as FORMS says, with at most CHANNELS channels, of 0-255 or 0..1; labels (N,) or (N, 1). Raises DataError
    with the array's name. An array of objects would be a pickle and is refused.
    """
    with open_data(path, (b"PK\x03\x04",)):
        pass  # says what else it is
    try:
        with _Pieces(path) as file, np.load(file, allow_pickle=False) as archive:
            names = next((names for names in (*SETS, *LISTS) if set(names) <= set(archive.files)), None)
            if names is None:
                wanted = f"arrays {', '.join(SETS[0])}, or {' and '.join(LISTS[0])}"
                raise corrupt(path, "its names", wanted, _list(archive.files))
            found = [_array(archive, path, name, name in names[::2]) for name in names]
            others = sorted({*archive.files} - {*names})
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile let out whatever their parsing meets: zlib.error, KeyError, ...
        raise DataError(f"dataset corrupt: {shown(path)}: damaged or cut short ({shown(str(error)[:200])})") from error
    remarks = (f"{_list(others)} left out",) if others else ()
    train = Labelled(found[0], found[1], remarks)
    return train, Labelled(found[2], found[3]) if len(found) == 4 else None


def _list(names: list[str]) -> str:
    return ", ".join(written(name) for name in names[:6]) + ", ..." * (len(names) > 6) or "none"


def _array(archive: Any, path: Path, name: str, images: bool) -> Any:
    """Return one array of an archive, after its header and the entry's compression were judged."""
    entry = archive.zip.getinfo(f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA reserves what its header claims
        raise corrupt(path, name, "no compression, or deflate", f"method {entry.compress_type}")
    with archive.zip.open(entry) as member:
        shape, dtype = _header(member)
    if dtype.hasobject:
        raise corrupt(path, name, "numbers", "Python objects: a pickle, which can run code and is not opened")
    axes = _image_axes(shape[1:]) if images else () if shape[1:] in ((), (1,)) else None
    if dtype.kind not in "buif" or axes is None or not 1 <= shape[0] <= MAX_IMAGES:
        wanted = f"{f'images {FORMS}' if images else 'labels (N,)'} of numbers, N from 1 to {MAX_IMAGES}"
        raise unfit(path, name, wanted, f"{dtype} {shape}")
    if math.prod(shape) * dtype.itemsize > MAX_ARRAY_BYTES:
        raise corrupt(path, name, f"at most {MAX_ARRAY_BYTES >> 20} MiB", f"{dtype} {shape}; save it as uint8")
    judge_size(path, name, shape[0], axes)
    array = archive[name].reshape(shape[0], -1)
    return _images(_pixels(array, path, name), axes) if images else _classes(array[:, 0], path, name)


def _image_axes(axes: Shape) -> Shape | None:
    """Return what lies behind the first axis of images: (H, W), (H, W, C) or (C, H, W); None where these are none."""
    if len(axes) == 1:
        axes = (math.isqrt(axes[0]),) * 2 if math.isqrt(axes[0]) ** 2 == axes[0] else ()
    many = len(axes) == 3 and axes[2] > CHANNELS and axes[0] > CHANNELS
    return axes if len(axes) in (2, 3) and min(axes) >= 1 and max(axes) <= MAX_SIDE and not many else None


def _images(pixels: Array, axes: Shape) -> Array:
    """Return pixels (N, P) as images (N, H, W), or (N, C, H, W) where there are several channels."""
    images = pixels.reshape(-1, *axes)
    if len(axes) == 3 and axes[2] <= CHANNELS:
        images = np.moveaxis(images, 3, 1)
    return np.ascontiguousarray(images[:, 0] if images.ndim == 4 and images.shape[1] == 1 else images)


def _header(member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(member)](member)
    return shape or (0,), dtype


def _pixels(array: npt.NDArray[Any], path: Path, name: str) -> Array:
    """Return (N, P) of 0-255 or 0..1 as uint8, a block at a time."""
    blocks = [array[at : at + 1000] for at in range(0, len(array), 1000)]
    for number, block in enumerate(blocks):
        if (bad := ~((block >= 0) & (block <= 255))).any():
            row, pixel = np.argwhere(bad)[0]
            place = f"{name}, image {1000 * number + row}, pixel {pixel}"
            raise corrupt(path, place, "a pixel 0-255 or 0..1", beyond(float(block[row, pixel])))
    unit = is_unit(
        max(float(block.max()) for block in blocks), all((block == np.rint(block)).all() for block in blocks)
    )
    return np.concatenate([as_bytes(block, unit) for block in blocks])


def is_unit(top: float, whole: bool) -> bool:
    """Return whether pixels are 0..1, by the largest and by whether all are whole; 0 and 1 alone are a drawing."""
    return top == 1 or (top < 1 and not whole)


def beyond(pixel: float) -> str:
    """Return a pixel that is beyond 0-255, and what helps where it is one that was made for training."""
    return f"{pixel:g}" + ("; give the pixels as they were before they were normalised" if pixel % 1 else "")


def as_bytes(pixels: npt.NDArray[Any], unit: bool) -> Array:
    """Return pixels as uint8, rounded; those of 0..1 become 0-255."""
    return np.rint(pixels * np.float32(255 if unit else 1)).astype(np.uint8)


def _classes(array: npt.NDArray[Any], path: Path, name: str) -> Labels:
    if (bad := ~((array >= 0) & (array < MAX_CLASSES) & (array == np.rint(array)))).any():
        at = int(np.argmax(bad))
        raise unfit(path, f"{name}, label {at}", LABEL, f"{array[at]:g}")
    return as_labels(array)


PIXELS = 28 * 28  # of an image in mnist.json.gz
MAX_LIST_BYTES = 4 << 20  # 250,000 labels with generous white space
NUMBERS = re.compile(rb"[-+.,0-9eE \t\r\n]*")  # what json.loads takes beyond numbers (NaN, true, strings) is refused

Lists = Iterator[tuple[int, bytes, bytes]]  # of each "]": offset, the commas and brackets before it, its numbers


def read_json(path: Path) -> tuple[Labelled, Labelled]:
    """Return what is to train on and to test on of [[images, labels] x 3], gzipped or not.

    The three are train, validation and test; the validation images are checked and left out, not merged into
    train. Pixels 0..1 become uint8 by round(255 x); images (N, 28, 28), labels (N,). Raises DataError with the
    offset of the list in the decoded file.
    """
    with open_data(path) as handle:
        lists = _lists(handle, path)
        train, validation, test = [_part(lists, path, opening) for opening in (b"[[[[", b",[[[", b",[[[")]
        _expect(lists, path, b"")
        for offset, _, _ in lists:
            raise corrupt(path, f"offset {offset}", "the end of the file", "another list")
    return Labelled(*train, (f"{len(validation[1]):,} images to validate on are left out",)), Labelled(*test)


def _lists(handle: File, path: Path) -> Lists:
    pending, offset = b"", 0
    while block := handle.read(BLOCK_BYTES):
        *texts, pending = (pending + block).split(b"]")
        for text in texts:
            numbers = text.lstrip(b"[, \t\r\n")
            yield offset, text[: len(text) - len(numbers)].translate(None, b" \t\r\n"), numbers
            offset += len(text) + 1
        if len(pending) > MAX_LIST_BYTES:
            raise corrupt(path, f"offset {offset}", f"a list of at most {MAX_LIST_BYTES} bytes", "a longer one")
    if pending.strip():
        raise corrupt(path, f"offset {offset}", "the end of the file", written(pending))


def _next(lists: Lists, path: Path) -> tuple[int, bytes, bytes]:
    for found in lists:
        return found
    raise corrupt(path, "end of the file", "[[images, labels], [images, labels], [images, labels]]", "less")


def _expect(lists: Lists, path: Path, prefix: bytes) -> tuple[int, bytes]:
    offset, found, numbers = _next(lists, path)
    if found != prefix or (numbers and not prefix):
        raise corrupt(path, f"offset {offset}", written(prefix + b"]"), written(found + numbers))
    return offset, numbers


def _part(lists: Lists, path: Path, opening: bytes) -> tuple[Array, Array]:
    pixels = bytearray()
    offset, found, numbers = _next(lists, path)
    while found or numbers or not pixels:  # an empty one closes the list of images
        if found != opening:
            raise corrupt(path, f"offset {offset}", written(opening), written(found + numbers))
        pixels += _image(numbers, offset, path)
        if len(pixels) > MAX_IMAGES * PIXELS:
            raise corrupt(path, f"offset {offset}", f"at most {MAX_IMAGES} images", "more")
        opening = b",["
        offset, found, numbers = _next(lists, path)
    offset, numbers = _expect(lists, path, b",[")
    labels = _labels(numbers, offset, path)
    if len(labels) * PIXELS != len(pixels):
        raise corrupt(path, f"offset {offset}", f"{len(pixels) // PIXELS} labels", len(labels))
    _expect(lists, path, b"")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(-1, 28, 28), labels


def _numbers(text: bytes, offset: int, path: Path) -> list[Any]:
    try:
        if NUMBERS.fullmatch(text):
            return list(json.loads(b"[" + text + b"]"))
    except ValueError:
        pass
    raise corrupt(path, f"offset {offset}", "a list of numbers", written(text))


def _image(text: bytes, offset: int, path: Path) -> bytes:
    numbers = _numbers(text, offset, path)
    if len(numbers) != PIXELS:
        raise corrupt(path, f"offset {offset}", f"an image of {PIXELS} pixels", len(numbers))
    for at, number in enumerate(numbers):
        if not 0 <= number <= 1:
            raise corrupt(path, f"offset {offset}, pixel {at}", "a pixel 0..1", str(number)[:20])
    return np.rint(np.array(numbers, dtype=np.float64) * 255).astype(np.uint8).tobytes()


def _labels(text: bytes, offset: int, path: Path) -> Array:
    numbers = _numbers(text, offset, path)
    for at, number in enumerate(numbers):
        if not (isinstance(number, int) and 0 <= number <= 9):
            raise corrupt(path, f"offset {offset}, label {at}", "a label 0-9", str(number)[:20])
    return np.array(numbers, dtype=np.uint8)
