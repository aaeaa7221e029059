"""What a driver wants shown of a sweep over several machines; cli/members.py shows it in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from benchmarks.plan.cells import Launch
from benchmarks.sweep.dask.workers import Machine


class Display(Protocol):
    """Takes what happens, in the driver's main thread; `progress` is launches reported, of how many."""

    def show(self, machines: Iterable[Machine], progress: tuple[int, int]) -> None:
        """Show what each machine does now."""

    def row(self, machine: Machine, progress: tuple[int, int], planned: Launch, row: dict[str, Any]) -> None:
        """Show how a launch ended."""

    def came(self, machine: Machine, words: str) -> None:
        """Show that a machine takes part; `words` describe it."""

    def went(self, machine: Machine, why: str) -> None:
        """Show that a machine was lost."""

    def tell(self, words: str) -> None:
        """Show something else."""

    def close(self) -> None:
        """Show nothing more that moves."""
