"""The IDX format of the original MNIST files."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from benchmarks.datasets.content import Array
from benchmarks.datasets.reading import BLOCK_BYTES, MAX_IMAGES, corrupt, open_data

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
        for axis, size in enumerate(shape):
            offset = 8 + 4 * axis
            if (found := _word(handle, path, offset)) != size:
                raise corrupt(path, f"offset {offset}", size, found)
        content = _content(handle, path, 4 + 4 * (1 + len(shape)), count * math.prod(shape))
    array = np.frombuffer(content, dtype=np.uint8).reshape(count, *shape)
    if array.ndim == 1 and array.max() > 9:
        at = int(np.argmax(array > 9))
        raise corrupt(path, f"offset {8 + at}", "a label 0-9", array[at])
    return array


def _word(handle: io.BufferedIOBase, path: Path, offset: int) -> int:
    word = handle.read(4)
    if len(word) != 4:
        raise corrupt(path, f"offset {offset}", "a header word of 4 bytes", f"{len(word)} bytes")
    return int.from_bytes(word, "big")


def _content(handle: io.BufferedIOBase, path: Path, start: int, size: int) -> bytearray:
    content = bytearray()  # grows with what really arrives: a header alone never costs memory
    while block := handle.read(min(BLOCK_BYTES, size + 1 - len(content))):
        content += block
        if len(content) > size:
            raise corrupt(path, f"offset {start + size}", "the end of the data", "trailing bytes")
    if len(content) < size:
        raise corrupt(path, f"offset {start + len(content)}", f"{size} bytes of data", f"{len(content)} bytes")
    return content
