"""What a sweep shows: while it runs a bar or a line a launch, at its end what became of every cell and of the time."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import errors
from benchmarks.cli.tables import right, titled
from benchmarks.cli.terminal import DATA, Row, err, out, say
from benchmarks.errors import LockstepError, plain
from benchmarks.launch.proof import Proof
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import SHARED, Cell, Launch
from benchmarks.record import busy
from benchmarks.stats import FEWEST, median_time, speed
from benchmarks.sweep.ledger import Ledger

if TYPE_CHECKING:
    from benchmarks.sweep.dask.workers import Machine


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
        name = f"{planned.task} {_name(planned.cell)}"
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
            self.step(done, total, f"proving {_name(cell)}")
            return
        self.say(f"[dim]proof {done}/{total}[/dim] {_name(cell)} {_proof_words(proof)}")

    def first_round(self, rows: Sequence[Row]) -> None:
        """Show the tables of the first launch of each cell, while more are to come."""
        with suppress(OSError):
            for table in _summary(rows):
                self.console.print(table)
        self.say("provisional: one launch of each configuration (n = 1), while the others are measured")

    def close(self) -> None:
        with suppress(OSError):
            self.progress.stop()


def _name(cell: Cell) -> str:
    """Return a cell in words: numpy mlp cpu batch 100 eager float32 preloaded."""
    return f"{cell.framework} {cell.recipe} {cell.device} batch {cell.batch_size} {cell.words()}"


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


SHOWN = 6  # machines on the bar
LONGEST = 32  # characters of what one does


class MembersDisplay(Display):
    """A progress bar on a terminal, with what each machine does; one line a launch everywhere else."""

    def show(self, machines: Iterable[Machine], progress: tuple[int, int]) -> None:
        """Move the bar."""
        words = [f"{machine.name} {plain(machine.doing)[:LONGEST]}" for machine in machines]
        more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
        self.step(*progress, " | ".join(words[:SHOWN]) + more)

    def row(self, machine: Machine, progress: tuple[int, int], planned: Launch, row: Row) -> None:
        """Say how a launch ended."""
        done, total = progress
        name = f"{machine.name} {planned.task} {_name(planned.cell)}"
        self.say(f"[dim]{done}/{total}[/dim] {escape(plain(name))} {outcome(row)}")

    def went(self, machine: Machine, why: str) -> None:
        """Say that a machine was lost, and why."""
        self.say(f"[red]{machine.name} was lost[/red]: {escape(plain(why))}")

    def message(self, words: str) -> None:
        """Say something else."""
        self.say(escape(plain(words)))


class Reportable(Protocol):
    """A sweep, on one machine or over several."""

    results: Path
    wall: dict[str, float]

    @property
    def ledger(self) -> Ledger: ...
    @property
    def path(self) -> Path: ...
    @property
    def stops(self) -> list[Row]: ...
    def rows_by_machine(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows of each machine's table; the name of the only one is empty."""


@contextmanager
def summarise_when_ended(sweep: Reportable, display: Display) -> Iterator[None]:
    """Where something ends a sweep early, say what became of its launches all the same."""
    try:
        yield
    except (Interrupted, LockstepError) as error:
        display.close()
        code = error.exit_code
        with suppress(OSError):  # a terminal that hung up
            for words in (*sweep.ledger.words(), f"rows in {sweep.path.name}; exit code {code}"):
                say(words)
            say("go on with the same command and --resume")
        raise
    finally:
        display.close()


def show_outcome(sweep: Reportable) -> int:
    """Print what became of every cell, whether the machine was busy, why comparisons stopped, where the time went.

    Prints last that nothing is missing. Returns the exit code.
    """
    for machine, rows in sweep.rows_by_machine().items():
        if machine:
            out.print(f"\n{errors.plain(machine)}", markup=False, highlight=False, soft_wrap=True)
        for table in _summary(rows):
            out.print(table)
    if words := busy.of_rows([row for rows in sweep.rows_by_machine().values() for row in rows]):
        out.print(words, style="yellow", markup=False, highlight=False, soft_wrap=True)
    stops = sweep.stops
    for stop in stops if len(stops) <= MANY else stops[:SHOWN_OF_MANY]:
        out.print(_stopped(stop), highlight=False)
    if len(stops) > MANY:
        more = f"{len(stops) - SHOWN_OF_MANY:,} more comparisons"
        out.print(f"{more}: python -m report compare --all --results {sweep.results}", highlight=False, soft_wrap=True)
    out.print(_spent(sweep.wall), highlight=False)
    ledger = sweep.ledger
    code = 0 if ledger.all_ok() else 1
    for words in (*ledger.words(), f"rows in {sweep.path.name}; exit code {code}"):
        out.print(words, markup=False, highlight=False, soft_wrap=True)
    for name in ledger.unlearnable():
        err.print(
            f"warning: {escape(errors.plain(name))}: no launch read more digits right than chance would; its labels"
            " may be shuffled or belong to other images: look at some together, or train for more --epochs",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    return code


MANY, SHOWN_OF_MANY = 20, 4  # comparisons at a sweep's end
FIGURES = ("launches", "train samples/s", "95 % interval", "MFU", "eval samples/s", "accuracy", "s to target")
UNKNOWN = 0.5  # half of the width of an interval, on the log scale: from 0.61 to 1.65 of the ratio found


def _summary(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield a table per comparison with a line per cell: launches, mean speed, accuracy, how it ended.

    Of more than MANY comparisons only the first SHOWN: no one reads a thousand tables on a screen.
    """
    comparisons: dict[tuple[Any, ...], dict[tuple[str, str], list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        mode = row["mode"] + (f" (adapters of {row['revision']})" if row["revision"] else "")
        comparisons[tuple(row[axis] for axis in SHARED)][row["framework"], mode].append(row)
    found = sorted(comparisons)
    for key in found if len(found) <= MANY else found[:SHOWN_OF_MANY]:
        recipe, dataset, device, batch_size, dtype, threads, input = key
        title = f"{recipe}, {dataset}, {device}, batch {batch_size}, {dtype}, {errors.threads(threads)}, {DATA[input]}"
        table = titled(title, "framework", "version", "mode", *right(*FIGURES), "lockstep", "status", "flags")
        for (framework, mode), launches in sorted(comparisons[key].items(), key=lambda item: -_mean_speed(item[1])):
            table.add_row(*(escape(plain(text)) for text in (framework, *_cell_line(mode, launches))))
        yield table


def _stopped(stop: Row) -> str:
    """Say why a comparison was measured no further."""
    half_width = stop.get("half_width")  # read from a file, a line has nothing of what is unknown
    width = "" if half_width is None else f", {_precision_words(half_width)}"
    name = f"{stop['recipe']}, {stop['dataset']}, {stop['device']}, batch {stop['batch_size']}, {stop['dtype']}"
    name += f", {DATA[stop['input']]}"
    return f"{escape(plain(name))}: stopped after {stop['rounds']} rounds ({stop['reason']}){width}"


def _precision_words(half_width: float) -> str:
    """Say how well a comparison's ratios are known; within half or twice as much, a ratio is not known."""
    return "ratios not known yet" if half_width > UNKNOWN else f"ratios known to {100 * half_width:.1f} %"


def _spent(wall: Mapping[str, float]) -> str:
    """Say where a sweep's wall time went, the largest part first."""
    whole = sum(wall.values())
    parts = sorted(((part, seconds) for part, seconds in wall.items() if seconds >= 0.005 * whole), key=lambda p: -p[1])
    return f"{whole:,.0f} s: " + ", ".join(f"{part} {seconds / whole:.0%}" for part, seconds in parts)


def _flagged(launches: Sequence[Row]) -> str:
    """Count the flags of some launches: `noisy 2, drifting 1`."""
    counts = Counter(flag for row in launches for flag in row["flags"] or [])
    return ", ".join(f"{flag} {count}" for flag, count in sorted(counts.items()))


def _mean_speed(launches: Sequence[Row]) -> float:
    """Return the geometric mean of launches that ended ok with a speed, 0 without any."""
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
    """Return the 95 % interval over launches, `n = 2` where there are too few for one, empty where there is none."""
    if len(speeds) < FEWEST:
        return f"n = {len(speeds)}" if speeds else ""
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
