"""Standard output and error as a command line writes them: what becomes of text that nobody can take.

Left to themselves, typer and rich end a program whose reader has gone with exit code 1, which is also the gate's
"slower". So neither may see the OSError: it is turned into another exception below them, where the bytes leave us.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Any

from benchmarks.errors import StorageError
from benchmarks.interruption import Interrupted


class Output(io.FileIO):
    """Standard output: a reader that left is SIGPIPE (141, as of other programs), a full disk a StorageError (74)."""

    lost = False

    def write(self, data: Any, /) -> int:
        """Write; after the first failure take everything and keep nothing, so that no flush at the exit fails again."""
        if self.lost:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            self.failed(error)
            return len(data)

    def failed(self, error: OSError) -> None:
        """Say what the failure is to the program."""
        if isinstance(error, BrokenPipeError):
            raise Interrupted(signal.SIGPIPE) from None
        raise StorageError(f"cannot write to the standard output: {error.strerror}") from error


class Messages(Output):
    """Standard error: what cannot be said is not, and changes no exit code."""

    def failed(self, error: OSError) -> None:
        """Go on without a word."""


def guard() -> None:
    """Put these in the places of sys.stdout and sys.stderr, where they are files of the system and not yet guarded."""
    for name, kind in (("stdout", Output), ("stderr", Messages)):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # as long as the process lives
        if not isinstance(stream, io.TextIOWrapper) or isinstance(getattr(stream.buffer, "raw", None), Output):
            continue
        stream.flush()
        raw = kind(stream.fileno(), "w", closefd=False)
        line_buffering = name == "stderr" or raw.isatty()
        made = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=line_buffering)
        setattr(sys, name, made)
