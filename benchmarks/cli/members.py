"""What a sweep over several machines shows in the terminal: who measures what, how much is done, who came and went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from benchmarks.cli.display import Display, outcome
from benchmarks.errors import plain
from benchmarks.plan.cells import Launch

if TYPE_CHECKING:
    from benchmarks.sweep.dask.workers import Machine

Row = dict[str, Any]
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
        cell = planned.cell
        name = f"{machine.name} {planned.task} {cell.framework} {cell.recipe} {cell.device} batch {cell.batch_size}"
        self.say(f"[dim]{done}/{total}[/dim] {escape(plain(f'{name} {cell.words()}'))} {outcome(row)}")

    def came(self, machine: Machine, words: str) -> None:
        """Say that a machine takes part, and whether its wall clock is off."""
        behind = machine.clock.behind_s
        off = f"; its clock is {abs(behind):,.0f} s {'behind' if behind > 0 else 'ahead'}" if abs(behind) > 1 else ""
        self.tell(f"{machine.name} takes part: {words}{off}")

    def went(self, machine: Machine, why: str) -> None:
        """Say that a machine was lost, and why."""
        self.say(f"[red]{machine.name} was lost[/red]: {escape(plain(why))}")

    def tell(self, words: str) -> None:
        """Say something else."""
        self.say(escape(plain(words)))
