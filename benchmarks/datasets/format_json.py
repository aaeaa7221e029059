"""Handwritten digits as the nested lists of `mnist.json.gz`, parsed one innermost list at a time.

json.load would need gigabytes for 70,000 images, and a small gz file could ask for any amount.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets.content import Array, Arrays
from benchmarks.datasets.reading import BLOCK_BYTES, MAX_IMAGES, corrupt, open_data

PIXELS = 28 * 28
MAX_LIST_BYTES = 4 << 20  # 250,000 labels with generous white space
NUMBERS = re.compile(rb"[-+.,0-9eE \t\r\n]*")  # what json.loads takes beyond numbers (NaN, true, strings) is refused

Lists = Iterator[tuple[int, bytes, bytes]]  # of each "]": offset, the commas and brackets before it, its numbers


def read_json(path: Path) -> Arrays:
    """Return (train images, train labels, test images, test labels) of [[images, labels] x 3], gzipped or not.

    The three are train, validation and test; the validation images are checked and left out, not merged into
    train. Pixels 0..1 become uint8 by round(255 x); images (N, 28, 28), labels (N,). Raises DataError with the
    offset of the list in the decoded file.
    """
    with open_data(path) as handle:
        lists = _lists(handle, path)
        train, _, test = [_part(lists, path, opening) for opening in (b"[[[[", b",[[[", b",[[[")]
        _expect(lists, path, b"")
        for offset, _, _ in lists:
            raise corrupt(path, f"offset {offset}", "the end of the file", "another list")
    return *train, *test


def _lists(handle: io.BufferedIOBase, path: Path) -> Lists:
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
        raise corrupt(path, f"offset {offset}", "the end of the file", repr(pending[:20]))


def _next(lists: Lists, path: Path) -> tuple[int, bytes, bytes]:
    for found in lists:
        return found
    raise corrupt(path, "end of the file", "[[images, labels], [images, labels], [images, labels]]", "less")


def _expect(lists: Lists, path: Path, prefix: bytes) -> tuple[int, bytes]:
    offset, found, numbers = _next(lists, path)
    if found != prefix or (numbers and not prefix):
        raise corrupt(path, f"offset {offset}", repr(prefix + b"]"), repr((found + numbers)[:20]))
    return offset, numbers


def _part(lists: Lists, path: Path, opening: bytes) -> tuple[Array, Array]:
    pixels = bytearray()
    offset, found, numbers = _next(lists, path)
    while found or numbers or not pixels:  # an empty one closes the list of images
        if found != opening:
            raise corrupt(path, f"offset {offset}", repr(opening), repr((found + numbers)[:20]))
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
    raise corrupt(path, f"offset {offset}", "a list of numbers", repr(text[:20]))


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
