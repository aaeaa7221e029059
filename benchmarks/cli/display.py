"""What a sweep shows while it runs: a progress bar or a line a launch; over several machines also who measures what."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.cli.terminal import Row
from benchmarks.errors import plain
from benchmarks.launch.proof import Proof
from benchmarks.plan.cells import Cell, Launch

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
