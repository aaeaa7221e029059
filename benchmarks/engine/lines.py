"""The lines of a member's file, as the engine carries them."""

from __future__ import annotations

from pathlib import Path

SOME_BYTES = 8 << 20  # of lines in one answer


def lines_from(path: Path, offset: int) -> tuple[list[str], int]:
    """Return the whole lines of a file after an offset, newlines included, and where they end."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    content = content[: content.rfind(b"\n") + 1]
    return content.decode().splitlines(keepends=True), offset + len(content)


def some_lines(path: Path, first: int) -> list[str]:
    """Return lines of a file from the one with a number, of SOME_BYTES at most but one in any case."""
    found, size = [], 0
    with path.open() as file:
        for number, line in enumerate(file):
            if number >= first and line.endswith("\n"):
                found.append(line)
                size += len(line)
                if size > SOME_BYTES:
                    break
    return found


def whole_lines(path: Path) -> int:
    """Return how many whole lines a file has."""
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)
