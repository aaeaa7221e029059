"""What all commands share: the terminal they print to, and the data set that a command asks for.

Left to themselves, typer and rich end a program whose reader has gone with exit code 1, which is also the gate's
"slower". So neither may see the OSError: standard output and error turn it into another exception below them.
"""

from __future__ import annotations

import copy
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from benchmarks import errors
from benchmarks.errors import LockstepError, StorageError, UsageError, plain, shown
from benchmarks.files import FULL, ROOM, default_cache
from benchmarks.machine.signals import Interrupted
from benchmarks.plan import fit
from benchmarks.plan.data.prepared import Prepared, prepare
from benchmarks.plan.data.sources import ORIGINS, to_download

Row = dict[str, Any]
DATA = {"preloaded": "preloaded data", "host": "data fed from host memory"}  # inputs, as titles say them


def terminal(stderr: bool = False) -> Console:
    """Return a console; where its width is not known (a pipe, a log; no COLUMNS), it is wide enough for a table."""
    console = Console(stderr=stderr, emoji=False)  # `:abc:` that a user typed is not an emoji
    return console if _has_width(console) else Console(stderr=stderr, emoji=False, width=200)


def _has_width(console: Console) -> bool:
    """Return whether somebody says how wide the output is."""
    return console.is_terminal or re.fullmatch("0*[1-9][0-9]*", os.environ.get("COLUMNS", "")) is not None


def tell(console: Console, text: str, style: str = "") -> None:
    """Print a sentence, broken between words where the width is known and in one line for a program."""
    wide = not _has_width(console)
    console.print(plain(text), style=style or None, markup=False, highlight=False, soft_wrap=wide)


def show(console: Console, parts: Iterable[Table | str]) -> None:
    """Print sentences, and tables as wide as they are made: a terminal may break their lines, nothing is cut.

    A title is as wide as the terminal, not as its table.
    """
    for part in parts:
        if isinstance(part, str):
            tell(console, part)
            continue
        untitled = copy.copy(part)
        untitled.title = None
        if part.title is not None:
            tell(console, str(part.title), style="italic")
        console.print(untitled, crop=False)
        console.print()


def run_app(app: Callable[[], Any]) -> None:
    """Run a command line; expected errors and interruptions become one line on stderr and an exit code."""
    _guard()
    try:
        try:
            app()
        except OSError as error:
            if error.errno not in FULL:
                raise
            where = f"cannot write {error.filename}" if error.filename else "cannot write"
            raise StorageError(f"{where}: {error.strerror}; {ROOM}") from error
        finally:
            sys.stdout.flush()  # what a full disk refuses at the exit would be a traceback and 120
    except (LockstepError, Interrupted) as error:
        words = str(error) if isinstance(error, LockstepError) else f"interrupted by {error.signal.name}"
        reader_gone = isinstance(error, Interrupted) and error.signal == signal.SIGPIPE  # no message for `| head`
        for line in [] if reader_gone else words.split("\n"):  # several where several things are missing
            terminal(stderr=True).print(plain(line), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


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
        """Raise the program's own error for a failed write."""
        if isinstance(error, BrokenPipeError):
            raise Interrupted(signal.SIGPIPE) from None
        raise StorageError(f"cannot write to the standard output: {error.strerror}") from error


class Messages(Output):
    """Standard error: a message that cannot be written is dropped, and changes no exit code."""

    def failed(self, error: OSError) -> None:
        """Go on silently."""


def _guard() -> None:
    """Put these in the places of sys.stdout and sys.stderr, where they are files of the system and not yet guarded."""
    for name, kind in (("stdout", Output), ("stderr", Messages)):
        stream = getattr(sys, name)
        if stream is None:  # closed when we started
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  # as long as the process lives
        if not isinstance(stream, io.TextIOWrapper) or isinstance(getattr(stream.buffer, "raw", None), Output):
            continue
        stream.flush()
        raw = kind(stream.fileno(), "w", closefd=False)
        line_buffering = name == "stderr" or raw.isatty()
        made = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=line_buffering)
        setattr(sys, name, made)


out, err = terminal(), terminal(stderr=True)


def say(text: str) -> None:
    """Print progress where it does not mix with what programs read."""
    err.print(errors.plain(text), markup=False, highlight=False, soft_wrap=True)


def deliver(answer: Any, shown: Iterable[RenderableType], as_json: bool) -> None:
    """Print what a command found: as JSON for programs, without colours or wrapping, else what people are shown."""
    if as_json:
        print(json.dumps(answer, indent=1))  # noqa: T201
        return
    for part in shown:
        if isinstance(part, str | Table):
            show(out, [part])
        else:
            out.print(part)


def prepared(name: str, data_dir: Path | None) -> Prepared:
    """Make a data set ready; say where --data-dir is of no use to it."""
    if not name.strip():
        raise UsageError("an empty dataset was given (an unset variable?): name one, or leave it out")
    if data_dir is not None and name not in ORIGINS:
        say(f"--data-dir {shown(data_dir)} is not used: it is for {' and '.join(ORIGINS)}, and this is {shown(name)}")
    data = prepare(name, data_dir)
    for note in data.notes:
        say(note)
    return data


def planned(name: str, data_dir: Path | None, recipes: Sequence[str]) -> str:
    """Return what rows would call a data set; say what a run would download, and download nothing.

    UsageError where it is here and one of these recipes does not fit it.
    """
    if files := to_download(name, data_dir, default_cache()):
        say(f"{name}: a run would download {', '.join(files)}")
        return name
    data = prepared(name, data_dir)
    fit.check(recipes, [data])
    return data.name
