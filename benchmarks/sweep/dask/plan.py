"""One kind of machine in a sweep: its cells, its plan in the sweep's order, and which machine began which series.

A series is all rounds of one comparison and task. It stays on the machine that began it, because a ratio never crosses
machines. If that machine is lost, the whole series starts again as the next attempt. A series of an earlier sweep
counts only if one machine made all of it.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.launch.target import RowBuilder
from benchmarks.plan.cells import Block, Cell, Launch, Preset, Request, blocks
from benchmarks.plan.data.prepared import Prepared
from benchmarks.sweep.dask.facts import (
    Facts,
    environment_of,
    environments_of,
    machine_words,
    requested_cells,
    requested_probes,
)
from benchmarks.sweep.ledger import Key, Ledger, completed_rows
from benchmarks.sweep.stopping import Stopping

Row = dict[str, Any]
Made = list[tuple[Launch, Row]]


def resume(kind: Kind, results: Path, preset: Preset) -> list[str]:
    """Report the series of a kind that earlier sweeps measured and plan the others; return these sweeps."""
    wanted = [planned for series in kind.plan.series for planned in series.open()]
    completed = completed_rows(results, kind.rows.identity, wanted)
    sweeps = set()
    for series in kind.plan.series:
        made, blocks = _completed(kind, series, completed, preset)
        if len({row["sweep"] for _, row in made}) != 1 or not blocks:
            continue
        for planned, row in made:
            kind.report(series, planned, row, made=False)
            sweeps.add(str(row["sweep"]))
        kind.ledger.not_needed += sum(len(block.cells) for _, block in series.blocks[blocks:])
        series.done, series.stopped = blocks, True
    kind.plan.skip_what_is_over()
    return sorted(sweeps)


def _completed(kind: Kind, series: Series, completed: Mapping[Key, Row], preset: Preset) -> tuple[Made, int]:
    """Return a series' completed launches, and after how many blocks it was measured enough; 0 if it was not."""
    made: Made = []
    stopping = Stopping(preset, series.blocks[0][1].cells)
    for number, (_, block) in enumerate(series.blocks, 1):
        for planned in block.launches():
            row = completed.get((kind.rows.identity(planned), planned.round, planned.seed))
            if row is None:
                return made, 0
            made.append((planned, row))
            if planned.task == "speed" and stopping.enough(planned, row):
                return made, number
    return made, len(series.blocks)


@dataclass
class Kind:
    """Machines that are alike: the facts of the first of them stand for all."""

    facts: Facts
    cells: list[Cell]
    rows: RowBuilder
    plan: Plan
    ledger: Ledger
    stops: list[Row] = field(default_factory=list)  # why comparisons were measured no further

    @classmethod
    def planned(cls, request: Request, facts: Facts, data: Mapping[str, Prepared]) -> Kind:
        """Return the kind of a machine with what is planned for it."""
        cells, preset = requested_cells(request.axes, facts, list(data)), request.preset
        planned = list(blocks(cells, preset.rounds, preset.seeds, request.seed))
        environment = functools.partial(environment_of, facts)
        probes = requested_probes(request.axes, facts)
        rows = RowBuilder(probes, data, preset.chunk_s, request.epochs, environment=environment)
        return cls(facts, cells, rows, Plan(planned), Ledger(len(cells), sum(len(b.cells) for b in planned)))

    @property
    def name(self) -> str:
        """The machine in words."""
        return machine_words(self.facts)

    def differs(self, facts: Facts) -> str:
        """Return the names of the environments that differ on another machine of this kind; empty where none does."""
        mine, other = environments_of(self.facts), environments_of(facts)
        return ", ".join(sorted(name for name in {*mine, *other} if mine.get(name) != other.get(name)))

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
        """Take back what a series has reported, since it begins again; return how many launches that were."""
        for (_, cell), kept in series.reported.items():
            self.ledger.withdraw(cell, kept)
        count = len(series.reported)
        series.reported.clear()
        return count


@dataclass(eq=False)
class Series:
    """One comparison's rounds of a task; `reported` holds what is known of each launch of its present attempt."""

    place: int  # in the sweep's order, of its first round
    blocks: list[tuple[int, Block]] = field(default_factory=list)  # with their places
    done: int = 0  # blocks that are measured
    holder: str | None = None  # the member that began it
    attempt: int = 0  # 0: nobody has begun it
    stopped: bool = False
    reported: dict[tuple[int, Cell], Row] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it needs no more."""
        return self.stopped or self.done == len(self.blocks)

    @property
    def next(self) -> tuple[int, Block]:
        """The block to be measured next, with its place."""
        return self.blocks[self.done]

    def open(self) -> Iterator[Launch]:
        """Yield the launches that this attempt has not reported, of a series that is not over."""
        for _, block in [] if self.over else self.blocks[self.done :]:
            yield from (one for one in block.launches(self.attempt or 1) if (one.round, one.cell) not in self.reported)


class Plan:
    """The series of one kind of machine, and who has which."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        series: dict[tuple[object, ...], Series] = {}
        for place, block in enumerate(blocks):
            series.setdefault((block.task, *block.comparison), Series(place)).blocks.append((place, block))
        self.series = list(series.values())
        self.free = [(one.place, one) for one in self.series]  # a heap: nobody has these
        self.held: dict[str, list[tuple[int, Series]]] = {}  # heaps by member: place of its next block, series
        self.measured: dict[str, Series] = {}  # by member: whose block it measures now

    def take(self, member: str) -> Series | None:
        """Return the series whose next block a member is to measure, the earliest that it has or may begin."""
        mine = self.held.setdefault(member, [])
        if self.free and (not mine or self.free[0] < mine[0]):
            _, series = heapq.heappop(self.free)
            series.holder, series.attempt, series.done = member, series.attempt + 1, 0
        elif mine:
            _, series = heapq.heappop(mine)
        else:
            return None
        self.measured[member] = series
        return series

    def put_back(self, member: str) -> None:
        """Put a series back among those that a member has, when its block is measured and it is not over."""
        series = self.measured.pop(member)
        if not series.over:
            heapq.heappush(self.held[member], (series.next[0], series))

    def lose(self, member: str) -> None:
        """Let what a lost member had begun begin again."""
        self.held.pop(member, None)
        self.measured.pop(member, None)
        for series in self.series:
            if series.holder == member and not series.over:
                series.holder, series.done = None, 0
                heapq.heappush(self.free, (series.place, series))

    def skip_what_is_over(self) -> None:
        """Plan nothing that an earlier sweep has measured."""
        self.free = [entry for entry in self.free if not entry[1].over]
        heapq.heapify(self.free)

    def end(self) -> None:
        """Plan no more."""
        self.free.clear()
        self.held.clear()

    @property
    def over(self) -> bool:
        """Whether nothing is left to be measured, nor being measured."""
        return not (self.free or self.measured or any(self.held.values()))
