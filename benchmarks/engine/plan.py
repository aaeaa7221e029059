"""What is to be measured on machines of one kind, in the sweep's order, and which machine has begun what.

A series is all rounds of one comparison and task. It stays on the machine that began it, since a ratio never crosses
machines; where that machine is lost it begins anew, all of it, as the next attempt.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cells import Block, Cell, Launch

Row = dict[str, Any]


@dataclass(order=True)
class Series:
    """One comparison's rounds of a task; `reported` is what its present attempt has told of each launch."""

    place: int  # in the sweep's order, of its first round
    blocks: list[tuple[int, Block]] = field(default_factory=list, compare=False)  # with their places
    done: int = field(default=0, compare=False)  # blocks that are measured
    holder: str | None = field(default=None, compare=False)  # the member that began it
    attempt: int = field(default=0, compare=False)  # 0: nobody has begun it
    stopped: bool = field(default=False, compare=False)
    amiss: str = field(default="", compare=False)  # why what its last holder measured must not count
    reported: dict[tuple[int, Cell], Row] = field(default_factory=dict, compare=False)

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
        found: dict[tuple[object, ...], Series] = {}
        for place, block in enumerate(blocks):
            found.setdefault((block.task, *block.comparison), Series(place)).blocks.append((place, block))
        self.series = list(found.values())
        self.free = list(self.series)  # a heap: nobody has these
        self.held: dict[str, list[tuple[int, Series]]] = {}  # heaps by member: place of its next block, series
        self.out: dict[str, Series] = {}  # by member: whose block it measures now

    def take(self, member: str) -> Series | None:
        """Return the series whose next block a member is to measure, the earliest that it has or may begin."""
        mine = self.held.setdefault(member, [])
        if self.free and (not mine or self.free[0].place < mine[0][0]):
            series = heapq.heappop(self.free)
            series.holder, series.attempt, series.done, series.amiss = member, series.attempt + 1, 0, ""
        elif mine:
            series = heapq.heappop(mine)[1]
        else:
            return None
        self.out[member] = series
        return series

    def give_back(self, member: str) -> None:
        """Take from a member the series whose block it has measured; it goes on later where it is not over."""
        series = self.out.pop(member)
        if not series.over:
            heapq.heappush(self.held[member], (series.next[0], series))

    def lose(self, member: str, amiss: str = "") -> None:
        """Let what a lost member had begun begin anew; `amiss` says why what it measured must not count either."""
        self.held.pop(member, None)
        self.out.pop(member, None)
        for series in self.series:
            if series.holder == member and (amiss or not series.over):
                series.holder, series.amiss, series.done, series.stopped = None, amiss, 0, False
                heapq.heappush(self.free, series)

    def skip_what_is_over(self) -> None:
        """Plan nothing that an earlier sweep has measured."""
        self.free = [series for series in self.free if not series.over]
        heapq.heapify(self.free)

    def end(self) -> None:
        """Plan no more."""
        self.free.clear()
        self.held.clear()

    @property
    def over(self) -> bool:
        """Whether nothing is left to be measured, nor being measured."""
        return not (self.free or self.out or any(self.held.values()))
