"""The lines of a member's file and the driver's copy of it: the same lines in the same order, each checked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import SchemaError
from benchmarks.record import store

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
    lines, size = [], 0
    with path.open() as file:
        for number, line in enumerate(file):
            if number >= first and line.endswith("\n"):
                lines.append(line)
                size += len(line)
                if size > SOME_BYTES:
                    break
    return lines


def whole_lines(path: Path) -> int:
    """Return how many whole lines a file has."""
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)


Line = tuple[str, dict[str, Any]]  # kind, record


@dataclass
class Copy:
    """A file that grows by lines from elsewhere; `settled` is how many of its `lines` are known to be on the disk.

    It is ours once we have `begun` it: until then a file of its name is somebody else's.
    """

    path: Path
    lines: int = 0
    settled: int = 0
    begun: bool = False

    @classmethod
    def existing(cls, path: Path) -> Copy:
        """Return the copy that a folder may already hold, a torn last line cut off."""
        if not path.exists():
            return cls(path)
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        return cls(path, whole.count(b"\n"), begun=True)

    def take(self, first: int, lines: Sequence[str]) -> list[Line] | None:
        """Append the lines that are not there yet, `first` being the number of the first one; return their records.

        settle() is to follow, once for many lines: an fsync may take longer than all else that a driver does for a row.
        None where lines before these are missing: ask for them. SchemaError for what is not a line, StorageError
        where the file that we are to begin is there: nothing is appended then.
        """
        if first > self.lines:
            return None
        contents = [line.encode() for line in lines[self.lines - first :]]
        if any(not content.endswith(b"\n") or content.count(b"\n") != 1 for content in contents):
            raise SchemaError("expected whole lines")
        records = [store.parse(content[:-1]) for content in contents]
        if contents:
            store.append_lines(self.path, contents, wait=False, new=not self.begun)
            self.lines, self.begun = self.lines + len(contents), True
        return records

    def settle(self) -> None:
        """Return when all lines are on the disk."""
        if self.settled < self.lines:
            store.settle(self.path)
            self.settled = self.lines
