"""One kind of machine in a sweep: its cells, plan and account; what rows say of launches that no machine made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cells import Cell, Launch, blocks
from benchmarks.datasets import Prepared
from benchmarks.devices import kind as kind_of_device
from benchmarks.engine.asked import Asked
from benchmarks.engine.facts import Facts, environments_of, key, words
from benchmarks.engine.plan import Plan, Series
from benchmarks.launcher import Launcher
from benchmarks.ledger import Ledger
from benchmarks.presets import Preset
from benchmarks.schema import validate

Row = dict[str, Any]


class Elsewhere(Launcher):
    """Describes launches of another machine, by the facts that it told."""

    facts: Facts

    def fingerprints(self, cell: Cell) -> dict[str, str]:
        """Return hashes of that machine's environment and kind; of an environment that it lacks an empty one."""
        lock = self.facts["locks"].get(key(self.probes[cell.framework, cell.device]), "")
        return {"lock": lock, "machine": self.facts["fingerprints"][cell.device]}

    def described(self, planned: Launch, sweep: str) -> Row:
        """Return what a launch's row says of it; the processor's name is that machine's."""
        row = super().described(planned, sweep)
        if kind_of_device(planned.cell.device) == "cpu":
            row["device_name"] = self.facts["machine"]["cpu"]
        return row


@dataclass
class Kind:
    """Machines that are alike: the facts of the first of them stand for all."""

    facts: Facts
    cells: list[Cell]
    launcher: Elsewhere
    plan: Plan
    ledger: Ledger
    stops: list[Row] = field(default_factory=list)  # why comparisons were measured no further

    @classmethod
    def of(
        cls, facts: Facts, asked: Asked, data: Mapping[str, Prepared], preset: Preset, seed: int, epochs: int | None
    ) -> Kind:
        """Return the kind of a machine with what is planned for it."""
        cells = asked.cells(facts, list(data))
        planned = list(blocks(cells, preset.rounds, preset.seeds, seed))
        launcher = Elsewhere(asked.probes(facts), data, 0.0, preset.chunk_s, epochs)
        launcher.facts = facts
        return cls(facts, cells, launcher, Plan(planned), Ledger(len(cells), sum(len(b.cells) for b in planned)))

    @property
    def name(self) -> str:
        """The machine in words."""
        return words(self.facts)

    def differs(self, facts: Facts) -> str:
        """Say in what the environments of another machine of this kind differ; empty where they are the same."""
        mine, other = environments_of(self.facts), environments_of(facts)
        return ", ".join(sorted(name for name in {*mine, *other} if mine.get(name) != other.get(name)))

    def not_made(self, planned: Launch, sweep: str, status: str, reason: str) -> Row:
        """Return the row of a launch that was lost or is not to be made."""
        return validate({**self.launcher.described(planned, sweep), "status": status, "reason": reason})

    def report(self, series: Series, planned: Launch, row: Row, made: bool = True) -> None:
        """Note how a launch of a series ended; its time counts if a machine made it in this sweep."""
        kept = self.ledger.report(planned, row, made=made and row["duration_s"] is not None)
        series.reported[planned.round, planned.cell] = kept

    def stop(self, series: Series, record: Row) -> None:
        """Note that a series has been measured enough with the block that is being measured."""
        series.stopped = True
        self.ledger.not_needed += sum(len(block.cells) for _, block in series.blocks[series.done + 1 :])
        self.stops.append(record)

    def withdraw(self, series: Series) -> int:
        """Take back what a series has reported, since it begins anew; return how many launches that were."""
        for (_, cell), kept in series.reported.items():
            self.ledger.withdraw(cell, kept)
        count = len(series.reported)
        series.reported.clear()
        return count
