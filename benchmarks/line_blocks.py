"""The lines of a results file, in memory that does not grow with the file or with a line of it.

A file without a newline, or with a line of gigabytes, is damaged or hostile and still must be read to its next line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO


def read(file: BinaryIO, block_bytes: int, max_line_bytes: int) -> Iterator[list[bytes]]:
    """Yield all lines in order, newlines apart, as lists of `block_bytes` bytes or a line more.

    A line of more than `max_line_bytes` still has more, and lacks its end. What follows the last newline was torn off
    by a crash and is ignored.
    """
    lines: list[bytes] = []
    size = 0
    while line := file.readline(max_line_bytes + 2):
        if not line.endswith(b"\n") and not to_newline(file):
            break
        lines.append(line[: max_line_bytes + 1].removesuffix(b"\n"))
        size += len(line)
        if size >= block_bytes:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def to_newline(file: BinaryIO) -> bool:
    """Read on to behind the next newline; return whether there is one."""
    while rest := file.readline(1 << 20):
        if rest.endswith(b"\n"):
            return True
    return False
