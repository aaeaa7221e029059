"""What a sweep shows in the terminal: where it is, and at its end what became of every cell.

Drawn only when a launch begins or ends. A display that refreshes by itself would take CPU time from the
worker that is being measured.

Standard output and error as a command line writes them: what becomes of text that nobody can take.

Left to themselves, typer and rich end a program whose reader has gone with exit code 1, which is also the gate's
"slower". So neither may see the OSError: it is turned into another exception below them, where the bytes leave us.

What all commands share: the terminal they speak to, and how an axis of a sweep is typed.

The data set that a command asks for: made ready, or only planned for without a download.
"""

from __future__ import annotations

import io
import os
import signal
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import errors
from benchmarks.errors import LockstepError, StorageError, UsageError, plain, shown
from benchmarks.files import default_cache
from benchmarks.launch.proof import Proof
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import SHARED, Cell, Launch
from benchmarks.plan.data.prepared import Prepared, prepare
from benchmarks.plan.data.sources import ORIGINS, to_download
from benchmarks.stats import median_time, speed

Row = dict[str, Any]
MANY, SHOWN = 20, 4  # comparisons at a sweep's end
UNKNOWN = 0.5  # half of the width of an interval, on the log scale: from 0.61 to 1.65 of the ratio found
DATA = {"preloaded": "preloaded data", "host": "data fed from host memory"}  # inputs, as titles say them


class Display:
    """A progress bar on a terminal; one line a launch everywhere else. A terminal that hung up ends no sweep."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self.task = self.progress.add_task("starting", total=None)

    def __call__(self, done: int, total: int, planned: Launch, row: Row | None) -> None:
        """Show that a launch begins (row is None) or how it ended."""
        cell = planned.cell
        name = f"{planned.task} {cell.framework} {cell.recipe} {cell.device}"
        name += f" batch {cell.batch_size} {cell.words()}"
        self.step(done, total, name)
        if row is not None:
            self.say(f"[dim]{done}/{total}[/dim] {name} {outcome(row)}")

    def step(self, done: int, total: int, description: str) -> None:
        """Move the bar, where there is one."""
        self.progress.update(self.task, completed=done, total=total, description=description)
        if self.console.is_terminal:
            with suppress(OSError):
                self.progress.start()
                self.progress.refresh()

    def say(self, words: str) -> None:
        """Print a line above the bar."""
        with suppress(OSError):
            self.console.print(words, highlight=False, soft_wrap=True)

    def proof(self, done: int, total: int, cell: Cell, proof: Proof | None) -> None:
        """Show that the gate begins on a cell (proof is None) or what it says."""
        if proof is None:
            self.step(done, total, f"proving {cell.framework} {cell.recipe} {cell.words()}")
            return
        words = _proof_words(proof)
        name = f"{cell.framework} {cell.recipe} {cell.device} batch {cell.batch_size} {cell.words()}"
        self.say(f"[dim]proof {done}/{total}[/dim] {name} {words}")

    def close(self) -> None:
        with suppress(OSError):
            self.progress.stop()


def _proof_words(proof: Proof) -> str:
    """Say what the gate says in a few words."""
    if proof.lockstep == "pass":
        verdict = proof.verdict
        return f"in lockstep: float64 within {verdict['float64_deviation']:.1e} over {verdict['steps']} steps"
    return f"[red]{proof.lockstep}[/red]: {escape(plain(proof.reason))}"


def outcome(row: Row) -> str:
    """Say in a few words how a launch ended."""
    if row["status"] != "ok":
        return f"[red]{row['status']}[/red]: {escape(plain(row['reason'] or ''))}"
    if row["task"] == "accuracy":
        words = f"{row['accuracy']:.4f} after {row['epochs']} epochs, seed {row['seed']}"
    else:
        words = f"{row['train_samples_per_s']:,.0f} samples/s"
    return ", ".join([words, *row["flags"], f"({row['duration_s']:.1f} s)"])


def terminal(stderr: bool = False) -> Console:
    """Return a console; where nobody says how wide it is (a pipe, a log), wide enough for a table."""
    console = Console(stderr=stderr, emoji=False)  # `:abc:` in what a user typed is no picture
    return console if console.is_terminal else Console(stderr=stderr, emoji=False, width=200)


def run_app(app: Callable[[], Any]) -> None:
    """Run a command line; expected errors and interruptions become one line on stderr and an exit code."""
    _guard()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # what a full disk refuses at the exit would be a traceback and 120
    except (LockstepError, Interrupted) as error:
        words = str(error) if isinstance(error, LockstepError) else f"interrupted by {error.signal.name}"
        left = isinstance(error, Interrupted) and error.signal == signal.SIGPIPE  # no word to `| head`
        for line in [] if left else words.split("\n"):  # several where several things are missing
            terminal(stderr=True).print(plain(line), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


def summary(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield a table per comparison with a line per cell: launches, mean speed, accuracy, how it ended.

    Of more than MANY comparisons only the first SHOWN: no one reads a thousand tables on a screen.
    """
    comparisons: dict[tuple[Any, ...], dict[tuple[str, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        mode = row["mode"] + (f" (adapters of {row['revision']})" if row["revision"] else "")
        comparisons[tuple(row[axis] for axis in SHARED)][row["framework"], mode].append(row)
    found = sorted(comparisons)
    for key in found if len(found) <= MANY else found[:SHOWN]:
        recipe, dataset, device, batch_size, dtype, threads, input = key
        title = f"{recipe}, {dataset}, {device}, batch {batch_size}, {dtype}, {errors.threads(threads)}, {DATA[input]}"
        table = Table(title=escape(plain(title)), title_justify="left")
        for heading in ("framework", "version", "mode"):
            table.add_column(heading)
        headings = ("launches", "train samples/s", "95 % interval", "MFU", "eval samples/s", "accuracy", "s to target")
        for heading in headings:
            table.add_column(heading, justify="right")
        for heading in ("lockstep", "status", "flags"):
            table.add_column(heading)
        for (framework, mode), launches in sorted(comparisons[key].items(), key=lambda item: -_mean_speed(item[1])):
            table.add_row(*(escape(plain(text)) for text in (framework, *_cell_line(mode, launches))))
        yield table


def stopped(stop: Row) -> str:
    """Say why a comparison was measured no further."""
    half_width = stop.get("half_width")  # read from a file, a line has nothing of what is unknown
    width = "" if half_width is None else f", {_precision_words(half_width)}"
    name = f"{stop['recipe']}, {stop['dataset']}, {stop['device']}, batch {stop['batch_size']}, {stop['dtype']}"
    name += f", {DATA[stop['input']]}"
    return f"{escape(plain(name))}: stopped after {stop['rounds']} rounds ({stop['reason']}){width}"


def _precision_words(half_width: float) -> str:
    """Say how well a comparison's ratios are known; half or twice as much is no knowledge of a ratio."""
    return "ratios not known yet" if half_width > UNKNOWN else f"ratios known to {100 * half_width:.1f} %"


def spent(wall: Mapping[str, float]) -> str:
    """Say where a sweep's wall time went, the largest part first."""
    whole = sum(wall.values())
    parts = sorted(((part, seconds) for part, seconds in wall.items() if seconds >= 0.005 * whole), key=lambda p: -p[1])
    return f"{whole:,.0f} s: " + ", ".join(f"{part} {seconds / whole:.0%}" for part, seconds in parts)


def _flagged(launches: Sequence[Row]) -> str:
    """Count the flags of some launches: `noisy 2, drifting 1`."""
    counts = Counter(flag for row in launches for flag in row["flags"] or [])
    return ", ".join(f"{flag} {count}" for flag, count in sorted(counts.items()))


def _mean_speed(launches: Sequence[Row]) -> float:
    """Return the geometric mean of launches that ended ok with a speed, 0 if there is none."""
    known = [row["train_samples_per_s"] for row in launches if row["status"] == "ok" and row["train_samples_per_s"]]
    return speed(known).estimate if known else 0.0


def _cell_line(mode: str, launches: Sequence[Row]) -> tuple[str, ...]:
    """Return version, mode, launches, speeds, accuracy and statuses of one cell as text."""
    good = [row for row in launches if row["status"] == "ok"]
    speeds = [row for row in good if row["task"] == "speed"]
    learnt = [row for row in good if row["task"] == "accuracy"]
    return (
        next((row["framework_version"] for row in launches if row["framework_version"]), ""),
        mode,
        str(len(launches)),
        _rate(row["train_samples_per_s"] for row in speeds),
        _interval([row["train_samples_per_s"] for row in speeds]),
        _rate((row["mfu"] for row in speeds), ".1%"),
        _rate(row["eval_samples_per_s"] for row in speeds),
        f"{statistics.mean(row['accuracy'] for row in learnt):.4f}" if learnt else "",
        _to_target([row["time_to_accuracy_s"] for row in learnt if row["accuracy_target"] is not None]),
        ", ".join(sorted({row["lockstep"] for row in launches})),
        ", ".join(sorted({row["status"] for row in launches})),
        _flagged(launches),
    )


def _interval(speeds: Sequence[float]) -> str:
    """Return the 95 % interval over launches, empty with fewer than two."""
    if len(speeds) < 2:
        return ""
    found = speed(speeds)
    return f"{found.low:,.0f}-{found.high:,.0f}"


def _to_target(times: Sequence[float | None]) -> str:
    """Return the median time to the accuracy aimed at and how many seeds reached it: `4.21 (9/10)`."""
    found = median_time(times)
    reached = f"({len(times) - times.count(None)}/{len(times)})" if times else ""
    return reached if found is None else f"{found:,.2f} {reached}"


def _rate(values: Iterable[float | None], form: str = ",.0f") -> str:
    """Return the geometric mean, by default with thousands separators, empty where no value is known."""
    known = [value for value in values if value]
    return format(speed(known).estimate, form) if known else ""


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


def _guard() -> None:
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


out, err = terminal(), terminal(stderr=True)
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="while another process measures on this machine: wait, or exit with 75")
]
Axis = Annotated[list[str] | None, typer.Option(help="repeatable, or comma-separated")]
Pythons = Annotated[list[str] | None, typer.Option(help="FRAMEWORK=PATH: an interpreter in place of tox's")]


def say(text: str) -> None:
    """Print progress where it does not mix with what programs read."""
    err.print(errors.plain(text), markup=False, highlight=False, soft_wrap=True)


def prepared(name: str, data_dir: Path | None) -> Prepared:
    """Make a data set ready; say where --data-dir is of no use to it."""
    if not name.strip():
        raise UsageError("an empty dataset was given (an unset variable?): name one, or leave it out")
    if data_dir is not None and name not in ORIGINS:
        say(f"--data-dir {shown(data_dir)} is not used: it is for {' and '.join(ORIGINS)}, and this is {shown(name)}")
    return prepare(name, data_dir)


def planned(name: str, data_dir: Path | None) -> str:
    """Return what rows would call a data set; say what a run would download, and download nothing."""
    if files := to_download(name, data_dir, default_cache()):
        say(f"{name}: a run would download {', '.join(files)}")
        return name
    return prepared(name, data_dir).name
