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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError, shown
from benchmarks.plan.data import ARRAY_NAMES, MAX_IMAGES, Array, Digits
from benchmarks.plan.data.opening import File, corrupt, open_data, unfit, written

BLOCK_BYTES = 1 << 18
PIXELS = 28 * 28
DIMENSIONS = {0x00000803: (28, 28), 0x00000801: ()}  # magic numbers: unsigned bytes in three dimensions and in one


def read_idx(path: Path) -> Array:
    """Return the content of an IDX file, gzipped or not: images uint8 (N, 28, 28) or labels uint8 (N,).

    Raises DataError with the offset in the decoded file. Source: http://yann.lecun.com/exdb/mnist/, "file formats".
    """
    with open_data(path) as handle:
        magic = _word(handle, path, 0)
        if magic not in DIMENSIONS:
            raise corrupt(path, "offset 0", "magic 0x00000803 or 0x00000801", f"0x{magic:08x}")
        count = _word(handle, path, 4)
        if not 1 <= count <= MAX_IMAGES:
            raise corrupt(path, "offset 4", f"1 to {MAX_IMAGES} items", count)
        shape = DIMENSIONS[magic]
        for offset, size, side in zip((8, 12), shape, ("rows", "columns"), strict=False):
            if (found := _word(handle, path, offset)) != size:
                raise unfit(path, f"offset {offset}", f"{size} {side} of pixels", found)
        content = _content(handle, path, 4 + 4 * (1 + len(shape)), count * math.prod(shape))
    array = np.frombuffer(content, dtype=np.uint8).reshape(count, *shape)
    if array.ndim == 1 and array.max() > 9:
        at = int(np.argmax(array > 9))
        raise unfit(path, f"offset {8 + at}", "a label 0-9", array[at])
    return array


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
SHAPES = ((28, 28), (28, 28, 1), (1, 28, 28), (PIXELS,))


class _Pieces(io.FileIO):
    """A file of which nobody gets more than MAX_READ_BYTES at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, or all that is left."""
        wanted = MAX_READ_BYTES + 1 if size is None or not 0 <= size <= MAX_READ_BYTES else size
        if len(piece := super().read(wanted)) > MAX_READ_BYTES:
            raise zipfile.BadZipFile("its list of contents is too long")
        return piece


def read_npz(path: Path) -> tuple[Digits, Digits]:
    """Return what is to train on and to test on of an .npz of four arrays, named as SETS has them.

    Images are (N, 28, 28), also with an axis of one channel, or (N, 784), of 0-255 or 0..1; labels (N,) or (N, 1).
    Raises DataError with the array's name. An array of objects would be a pickle and is refused.
    """
    with open_data(path, (b"PK\x03\x04",)):
        pass  # says what else it is
    try:
        with _Pieces(path) as file, np.load(file, allow_pickle=False) as archive:
            names = next((names for names in SETS if set(names) <= set(archive.files)), None)
            if names is None:
                raise corrupt(path, "its names", f"arrays {', '.join(SETS[0])}", _list(archive.files))
            found = [_array(archive, path, name, name in names[::2]) for name in names]
            others = sorted({*archive.files} - {*names})
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile let out whatever their parsing meets: zlib.error, KeyError, ...
        raise DataError(f"dataset corrupt: {shown(path)}: damaged or cut short ({shown(str(error)[:200])})") from error
    remarks = (f"{_list(others)} left out",) if others else ()
    return Digits(found[0], found[1], remarks), Digits(found[2], found[3])


def _list(names: list[str]) -> str:
    return ", ".join(written(name) for name in names[:6]) + ", ..." * (len(names) > 6) or "none"


def _array(archive: Any, path: Path, name: str, images: bool) -> Array:
    """Return one array of an archive, after its header and the entry's compression were judged."""
    entry = archive.zip.getinfo(f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA reserves what its header claims
        raise corrupt(path, name, "no compression, or deflate", f"method {entry.compress_type}")
    with archive.zip.open(entry) as member:
        shape, dtype = _header(member)
    if dtype.hasobject:
        raise corrupt(path, name, "numbers", "Python objects: a pickle, which can run code and is not opened")
    rest = SHAPES if images else ((), (1,))
    if dtype.kind not in "buif" or shape[1:] not in rest or not 1 <= shape[0] <= MAX_IMAGES:
        wanted = "images (N, 28, 28)" if images else "labels (N,)"
        raise unfit(path, name, f"{wanted} of numbers, N from 1 to {MAX_IMAGES}", f"{dtype} {shape}")
    if math.prod(shape) * dtype.itemsize > MAX_ARRAY_BYTES:
        raise corrupt(path, name, f"at most {MAX_ARRAY_BYTES >> 20} MiB", f"{dtype} {shape}; save it as uint8")
    array = archive[name].reshape(shape[0], -1)
    return _pixels(array, path, name).reshape(-1, 28, 28) if images else _classes(array[:, 0], path, name)


def _header(member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(member)](member)
    return shape or (0,), dtype


def _pixels(array: npt.NDArray[Any], path: Path, name: str) -> Array:
    """Return (N, 784) of 0-255 or 0..1 as uint8, a block at a time."""
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


def _classes(array: npt.NDArray[Any], path: Path, name: str) -> Array:
    if (bad := ~((array >= 0) & (array <= 9) & (array == np.rint(array)))).any():
        at = int(np.argmax(bad))
        raise unfit(path, f"{name}, label {at}", "a label 0-9", f"{array[at]:g}")
    return array.astype(np.uint8)


MAX_LIST_BYTES = 4 << 20  # 250,000 labels with generous white space
NUMBERS = re.compile(rb"[-+.,0-9eE \t\r\n]*")  # what json.loads takes beyond numbers (NaN, true, strings) is refused

Lists = Iterator[tuple[int, bytes, bytes]]  # of each "]": offset, the commas and brackets before it, its numbers


def read_json(path: Path) -> tuple[Digits, Digits]:
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
    return Digits(*train, (f"{len(validation[1]):,} images to validate on are left out",)), Digits(*test)


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
