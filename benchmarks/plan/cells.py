"""A sweep's axes become cells, and cells become launches in an order that favours no framework.

A cell is one point of the sweep; a comparison is all cells that differ only in framework, mode and revision. Within a
round, each comparison's cells follow one another, a block, so that what drifts on the machine drifts for all of them.
A preset says how many rounds there are.

What one `run` asks for, in one object that the engine for this machine and the one for several both take.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from adapters.recipes import HEADLINE, RECIPES
from benchmarks.stats import LOOKS


@dataclass(frozen=True)
class Cell:
    """One point of the sweep; `mode` is eager, compiled or fused once resolved."""

    framework: str
    recipe: str
    dataset: str
    device: str
    batch_size: int
    mode: str
    dtype: str
    threads: int
    input: str = "preloaded"
    revision: str = ""  # the commit whose adapters are measured; empty: the checkout's own

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Cell:
        """Return the cell that a row is a launch of."""
        return cls(**{name: row[name] for name in AXES} | {"revision": row["revision"] or ""})

    @property
    def model(self) -> str:
        return RECIPES[self.recipe].model.name

    def words(self) -> str:
        """Return how the cell is computed, in words: fused float32 preloaded, adapters of abc."""
        words = f"{self.mode} {self.dtype} {self.input}"
        return f"{words}, adapters of {self.revision}" if self.revision else words

    def comparison(self) -> tuple[object, ...]:
        """Return what all cells of one comparison share."""
        return tuple(getattr(self, name) for name in SHARED)

    def identity(self, **decisive: object) -> str:
        """Return a hash of the axes and of everything else that decides what is measured."""
        text = json.dumps({**dataclasses.asdict(self), **decisive}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


AXES = tuple(field.name for field in dataclasses.fields(Cell))
APART = ("framework", "mode", "revision")
SHARED = tuple(name for name in AXES if name not in APART)


def network_order(model: str) -> tuple[int, str]:
    """Return what networks are sorted by wherever several are shown: the headline ones first, then by name."""
    return (HEADLINE.index(model) if model in HEADLINE else len(HEADLINE)), model


@dataclass(frozen=True)
class Axes:
    """What to sweep over; every field a sequence.

    A mode of None means each adapter's recommended one, a batch size of None the recipe's own.
    """

    frameworks: Sequence[str]
    recipes: Sequence[str]
    datasets: Sequence[str]
    devices: Sequence[str]
    batch_sizes: Sequence[int | None]
    modes: Sequence[str | None]
    dtypes: Sequence[str]
    threads: Sequence[int]
    inputs: Sequence[str] = ("preloaded",)
    revisions: Sequence[str] = ("",)


@dataclass(frozen=True)
class RequestedAxes:
    """Axes as a user asks for them, before it is known on which machines.

    No frameworks mean all that a machine has, no threads all its cores, the device `all` every one that it has.
    """

    frameworks: Sequence[str]
    recipes: Sequence[str]
    devices: Sequence[str]
    batch_sizes: Sequence[int | None]
    modes: Sequence[str | None]
    dtypes: Sequence[str]
    threads: Sequence[int]
    inputs: Sequence[str]
    revisions: Sequence[str]

    def devices_of(self, available: Sequence[str]) -> list[str]:
        """Return which of a machine's devices are to be measured; one that it lacks is not measured there."""
        wanted = [device for name in self.devices for device in (available if name == "all" else [name])]
        return [name for name in dict.fromkeys(wanted) if name in available]

    def threads_of(self, cores: int) -> list[int]:
        """Return with how many threads to measure on a machine: never more than it has cores."""
        return [number for number in self.threads if number <= cores] or [cores]

    def on(self, frameworks: Sequence[str], datasets: Sequence[str], devices: Sequence[str], cores: int) -> Axes:
        """Return the axes on a machine with these frameworks, devices and cores."""
        found = {"frameworks": frameworks, "datasets": datasets, "devices": devices, "threads": self.threads_of(cores)}
        return Axes(**vars(self) | found)


class Recommending(Protocol):
    """What a framework says of itself on a device: launch.probe.Probe."""

    def recommended(self, model: str, input: str) -> str:
        """Return the mode that its adapter recommends."""


def expand(axes: Axes, probes: Mapping[tuple[str, str], Recommending]) -> list[Cell]:
    """Return every cell once, in the axes' order; `probes`, by framework and device, say the recommended modes."""
    points = itertools.product(
        axes.recipes,
        axes.datasets,
        axes.devices,
        axes.batch_sizes,
        axes.dtypes,
        axes.threads,
        axes.inputs,
        axes.frameworks,
        axes.modes,
        axes.revisions,
    )
    cells = (
        Cell(
            framework=framework,
            recipe=recipe,
            dataset=dataset,
            device=device,
            batch_size=batch_size or RECIPES[recipe].batch_size,
            mode=mode or probes[framework, device].recommended(RECIPES[recipe].model.name, input),
            dtype=dtype,
            threads=threads,
            input=input,
            revision=revision,
        )
        for recipe, dataset, device, batch_size, dtype, threads, input, framework, mode, revision in points
    )
    return list(dict.fromkeys(cells))


@dataclass(frozen=True)
class Launch:
    """One fresh process to come: `task` is speed or accuracy, `round` counts the cell's launches of that task.

    `attempt` counts how often a sweep over several machines began the comparison and task; None on one machine.
    """

    task: str
    round: int
    seed: int
    cell: Cell
    attempt: int | None = None


@dataclass(frozen=True)
class Block:
    """One round of a comparison and task: its cells in the order in which they are launched, one after another."""

    task: str
    round: int
    seed: int
    cells: tuple[Cell, ...]

    @property
    def comparison(self) -> tuple[object, ...]:
        """What all its cells share."""
        return self.cells[0].comparison()

    def launches(self, attempt: int | None = None) -> Iterator[Launch]:
        """Yield its launches."""
        yield from (Launch(self.task, self.round, self.seed, cell, attempt) for cell in self.cells)


def launches(cells: Sequence[Cell], rounds: int, seeds: int, seed: int) -> Iterator[Launch]:
    """Yield the launches of blocks() one by one."""
    return itertools.chain.from_iterable(block.launches() for block in blocks(cells, rounds, seeds, seed))


def blocks(cells: Sequence[Cell], rounds: int, seeds: int, seed: int) -> Iterator[Block]:
    """Yield `rounds` of speed launches of every cell, all with `seed`, then its accuracy launches for each of `seeds`.

    Each round shuffles the comparisons again; a comparison's cells are in the order of its williams() design, whose
    numbers the seed gives to the cells. The order of a round depends on nothing else, on whichever machine it is made.
    """
    generator = random.Random(seed)
    comparisons: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        comparisons.setdefault(cell.comparison(), []).append(cell)
    for block in comparisons.values():
        generator.shuffle(block)
    shuffled = list(comparisons.values())
    speed = [("speed", number, seed) for number in range(rounds)]
    for task, number, used in speed + [("accuracy", number, seed + number) for number in range(seeds)]:
        generator.shuffle(shuffled)
        for block in shuffled:
            orders = williams(len(block))
            yield Block(task, number, used, tuple(block[place] for place in orders[number % len(orders)]))


@functools.cache
def williams(count: int) -> tuple[tuple[int, ...], ...]:
    """Return orders of so many arms in which each comes right after each other, and has each place, equally often.

    Williams 1949, Australian J. Scientific Research A 2: `count` orders where it is even, else twice as many, the
    second square being the first in reverse. Reversed orders follow their originals at once, so that a design that
    ends early is nearly balanced.
    """
    zigzag = [(count - place // 2) % count if place % 2 == 0 else place // 2 + 1 for place in range(count)]
    orders = [tuple((arm + shift) % count for arm in zigzag) for shift in range(count)]
    return tuple(orders) if count % 2 == 0 else tuple(made for order in orders for made in (order, order[::-1]))


# Of a cell's fewest launches together: what one step in twenty does is missed by 58 steps drawn at random in 1 of 20.
JUDGED_STEPS, FEWEST_LAUNCHES = 60, 3


@dataclass(frozen=True)
class Preset:
    """Rounds of speed launches, seeds of accuracy launches, and when a comparison has been measured enough.

    With `peak` the machine's peak is measured first if none is kept, so that every row has its MFU.
    `chunk_s` is how long a timed chunk lasts at least: a process that took seconds to start should be timed as long.
    After each of `looks` rounds a comparison stops if every ratio to its fastest is known to within `half_width`
    (relative, 95 %); after `rounds` in any case.
    """

    rounds: int
    seeds: int
    chunk_s: float = 0.1
    peak: bool = False
    looks: tuple[int, ...] = ()
    half_width: float = 0.0

    @property
    def judged_steps(self) -> int:
        """How many timed steps of a launch the reference network takes again, or more."""
        return math.ceil(JUDGED_STEPS / max(FEWEST_LAUNCHES, self.looks[0] if self.looks else self.rounds))


PRESETS = {
    "quick": Preset(rounds=3, seeds=1),
    "standard": Preset(rounds=LOOKS[-1], seeds=3, chunk_s=0.4, peak=True, looks=LOOKS, half_width=0.02),
    "thorough": Preset(rounds=LOOKS[-1], seeds=10, chunk_s=0.4, peak=True, looks=LOOKS, half_width=0.01),
}


@dataclass(frozen=True)
class Request:
    """The options of `run`; `sets` are data sets as they were typed, paths are the same on every machine."""

    axes: RequestedAxes
    sets: Sequence[str]
    preset: Preset
    results: Path  # the folder of results files
    timeout_s: float  # of a launch
    proof_timeout_s: float
    seed: int = 0
    epochs: int | None = None  # of an accuracy launch; None: as the recipe says
    fresh_proof: bool = False
    memory_bytes: int | None = None  # that a worker may have; None: no limit
    peak: bool = False  # measure the machine's peak where none is kept
    time_cap_s: float = math.inf  # of all speed launches; a comparison always gets one round
    data_dir: Path | None = None
    resume: bool = False
    detect: float | None = None  # the share of a slow-down that the rounds are to find
    confirm: Path | None = None  # the file that names which of the cells are measured

    def record(self) -> dict[str, Any]:
        """Return what a run's record says of it: preset and seed."""
        return {"preset": dataclasses.asdict(self.preset), "seed": self.seed}
