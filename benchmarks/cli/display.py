"""What a sweep shows: while it runs a bar or a line a launch, at its end what became of every cell and of the time."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.cli.answer import answers
from benchmarks.cli.tables import sweep_tables
from benchmarks.cli.terminal import DATA, Row, err, out, say, show, tell
from benchmarks.errors import LockstepError, count, plain
from benchmarks.launch.proof import Proof
from benchmarks.machine import environments
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import Cell, Launch
from benchmarks.record import busy
from benchmarks.record.summary import MANY, SHOWN, comparisons
from benchmarks.sweep.ledger import Ledger
from benchmarks.worker.lockstep.bounds import BOUNDS

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
            show(self.console, sweep_tables(rows, self.console.width))
        self.say("one launch of each configuration; the others are being measured")

    def close(self) -> None:
        with suppress(OSError):
            self.progress.stop()


def _name(cell: Cell) -> str:
    """Return a cell in words: numpy mlp cpu batch 100 eager float32 preloaded."""
    return f"{cell.framework} {cell.recipe} {cell.device} batch {cell.batch_size} {cell.words()}"


def _proof_words(proof: Proof) -> str:
    """Say what the gate says in a few words."""
    verdict = proof.verdict
    if proof.lockstep == "pass":
        grows = " (rounding alone moves the reference by as much)" * (
            verdict["float64_deviation"] >= BOUNDS["float64"].loss
        )
        return f"in lockstep: float64 within {verdict['float64_deviation']:.1e} over {verdict['steps']} steps{grows}"
    if proof.lockstep == "float32 only":
        return f"verified in float32 only, over {verdict['steps']} steps: {escape(plain(proof.reason))}"
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


ON_THE_BAR = 6  # machines
LONGEST = 32  # characters of what one does


class MembersDisplay(Display):
    """A progress bar on a terminal, with what each machine does; one line a launch everywhere else."""

    def show(self, machines: Iterable[Machine], progress: tuple[int, int]) -> None:
        """Move the bar."""
        words = [f"{machine.name} {plain(machine.doing)[:LONGEST]}" for machine in machines]
        more = f" and {len(words) - ON_THE_BAR} more" if len(words) > ON_THE_BAR else ""
        self.step(*progress, " | ".join(words[:ON_THE_BAR]) + more)

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
    """Print the tables; then in words whether the machine was busy, who is fastest, what became of all, what to type.

    Returns the exit code.
    """
    tables = {machine: rows for machine, rows in sweep.rows_by_machine().items() if rows}
    for machine, rows in tables.items():
        if machine:
            out.print()
            tell(out, machine)
        show(out, sweep_tables(rows, out.width))
    if words := busy.of_rows([row for rows in tables.values() for row in rows]):
        tell(out, words, style="yellow")
    for machine, rows in tables.items():
        for words in answers(comparisons(rows)):
            tell(out, f"{machine}: {words}" if len(tables) > 1 else words)
    _show_stops(sweep)
    tell(out, _spent(sweep.wall))
    ledger = sweep.ledger
    code = 0 if ledger.all_ok() else 1
    for words in (*ledger.words(), f"rows in {_typed(sweep.path)}; exit code {code}", *_next_steps(sweep)):
        out.print(plain(words), markup=False, highlight=False, soft_wrap=True)  # what is typed is never broken
    for name in ledger.unlearnable():
        tell(
            err,
            f"warning: {name}: no launch read more images right than chance would; its labels may be shuffled or"
            " belong to other images: look at some together, or train for more --epochs",
            style="yellow",
        )
    return code


def _show_stops(sweep: Reportable) -> None:
    """Print why each comparison was measured no further, of many the first."""
    stops = sweep.stops
    for stop in stops if len(stops) <= MANY else stops[:SHOWN]:
        tell(out, _stopped(stop))
    if len(stops) > MANY:
        tell(out, f"{len(stops) - SHOWN:,} more comparisons: {command('compare', sweep.results, '--all')}")


def _typed(path: Path) -> str:
    """Return a path as it is typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def command(name: str, results: Path, *options: str) -> str:
    """Return what to type for a command of `report` about these results, as this one was typed: by tox or without."""
    given = [*options, *([] if results.resolve() == environments.ROOT / "results" else ["--results", _typed(results)])]
    if "TOX_ENV_NAME" not in os.environ:
        return shlex.join(["python", "-m", "report", {"report": "page"}.get(name, name), *given])
    return shlex.join(["tox", "-e", name, *(["--", *given] if given else [])])


def _next_steps(sweep: Reportable) -> tuple[str, str]:
    """Say what to type next."""
    paired = any(row["revision"] for rows in sweep.rows_by_machine().values() for row in rows)
    compare = command("compare", sweep.results, *(["--by", "revision"] if paired else []))
    return (
        f"next: {compare} (these tables, in part or in detail; beside another set)",
        f"  or: {command('report', sweep.results)} (a page to read and to send)",
    )


UNKNOWN = 0.5  # half of the width of an interval, on the log scale: from 0.61 to 1.65 of the ratio found


def _stopped(stop: Row) -> str:
    """Say why a comparison was measured no further."""
    half_width = stop.get("half_width")  # read from a file, a line has nothing of what is unknown
    width = "" if half_width is None else f", {_precision_words(half_width)}"
    name = f"{stop['recipe']}, {stop['dataset']}, {stop['device']}, batch {stop['batch_size']}, {stop['dtype']}"
    name += f", {DATA[stop['input']]}"
    return f"{name}: stopped after {count(stop['rounds'], 'round')} ({stop['reason']}){width}"


def _precision_words(half_width: float) -> str:
    """Say how well a comparison's ratios are known; within half or twice as much, a ratio is not known."""
    return "ratios not known yet" if half_width > UNKNOWN else f"ratios known to {100 * half_width:.1f} %"


def _spent(wall: Mapping[str, float]) -> str:
    """Say where a sweep's wall time went, the largest part first."""
    whole = sum(wall.values())
    parts = sorted(((part, seconds) for part, seconds in wall.items() if seconds >= 0.005 * whole), key=lambda p: -p[1])
    return f"{whole:,.0f} s: " + ", ".join(f"{part} {seconds / whole:.0%}" for part, seconds in parts)
