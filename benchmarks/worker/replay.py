"""What a timed run leaves behind, so that the harness can take its steps again: weights before and after some of them.

Every chunk is treated alike, outside the clock: before it the weights are put back to an early state, where training
still moves them and the optimiser remembers nothing; after it they are read. Which chunks are kept is drawn from the
system's entropy, and of a long chunk some steps in its middle, at whose edges the weights are copied on the device. So
nothing that an adapter is asked tells it which steps are judged. Runs inside a framework's environment; the harness
reads the file (launch/replay.py).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter
from adapters.declaration import SGD, Optimiser
from adapters.weights import Weights
from benchmarks.worker.inputs import copied

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Window:
    """Steps of a timed chunk: the first one's batch among the epoch's full batches, and the weights at both edges."""

    chunk: int
    first: int
    steps: int
    before: Weights
    after: Weights


@dataclass(frozen=True)
class Evaluation:
    """Outputs (N, K) of the first N test images in their own order, at these weights."""

    weights: Weights
    outputs: Array


def write(path: Path, windows: Sequence[Window], evaluation: Evaluation) -> None:
    """Write both as one .npz."""
    arrays: dict[str, Array] = {
        "windows": np.array([(w.chunk, w.first, w.steps) for w in windows], np.int64).reshape(-1, 3)
    }
    for number, window in enumerate(windows):
        arrays |= {f"{number}.before/{name}": array for name, array in window.before.items()}
        arrays |= {f"{number}.after/{name}": array for name, array in window.after.items()}
    arrays |= {f"evaluated/{name}": array for name, array in evaluation.weights.items()}
    arrays["outputs"] = evaluation.outputs
    np.savez(path, **arrays)  # type: ignore[arg-type]  # its last keyword is allow_pickle


def read(path: Path) -> tuple[list[Window], Evaluation]:
    """Return what write has written; OSError, ValueError or KeyError for any other file."""
    with np.load(path, allow_pickle=False) as archive:

        def weights(prefix: str) -> Weights:
            return {name.split("/", 1)[1]: archive[name] for name in archive.files if name.startswith(f"{prefix}/")}

        windows = [
            Window(int(chunk), int(first), int(steps), weights(f"{number}.before"), weights(f"{number}.after"))
            for number, (chunk, first, steps) in enumerate(archive["windows"])
        ]
        return windows, Evaluation(weights("evaluated"), archive["outputs"])


class Batches(Protocol):
    """Batches that training takes one after the other, wrapping round after `steps`."""

    steps: int
    taken: int

    def take(self, steps: int) -> None:
        """Train on the next batches; may return early."""


def window_steps(chunk_steps: int, wanted: int, optimiser: Optimiser) -> int:
    """Return how many steps of a chunk are judged: all of a short one.

    So are all where the optimiser remembers earlier steps: what it remembers is known at a chunk's beginning alone.
    """
    remembers = not (isinstance(optimiser, SGD) and optimiser.momentum == 0.0)
    return chunk_steps if remembers or chunk_steps <= wanted else wanted


def calls_are_whole(adapter: Adapter) -> bool:
    """Return whether a chunk has to be one call; adapters of another revision (run --against) may not say."""
    return getattr(adapter, "calls_are_whole", False)


@dataclass
class Recorder:
    """Trains in chunks as the clock asks for, and keeps what `wanted` steps of them, or more, started from and led to.

    `start` are the weights that every chunk begins with; `begin` and `end` note what the device's clock has to.
    """

    adapter: Adapter
    batches: Batches
    start: Weights
    chunk_steps: int
    chunks: int
    wanted: int
    begin: Callable[[], None]
    end: Callable[[], None]
    windows: list[Window] = field(default_factory=list)
    chunk: int = 0

    def __post_init__(self) -> None:
        self.entropy = random.SystemRandom()
        in_parts = window_steps(self.chunk_steps, self.wanted, self.adapter.recipe.optimiser)
        self.steps = self.chunk_steps if calls_are_whole(self.adapter) else in_parts
        count = min(self.chunks, math.ceil(self.wanted / self.steps))
        self.kept = frozenset(self.entropy.sample(range(self.chunks), count))

    @property
    def inside(self) -> bool:
        """Whether the judged steps lie inside their chunk, between copies on the device."""
        return self.steps < self.chunk_steps

    @property
    def copied_bytes(self) -> int:
        """What is copied between two chunks: weights set, weights read, and both copies inside."""
        return (4 if self.inside else 2) * sum(array.nbytes for array in self.start.values())

    def before(self) -> None:
        """Put the weights back, and draw which steps of the next chunk are copied at their edges."""
        self.adapter.set_weights(copied(self.start))
        self.adapter.synchronise()
        self.offset = self.entropy.randrange(self.chunk_steps - self.steps + 1)
        self.first = (self.batches.taken + self.offset) % self.batches.steps

    def work(self, steps: int) -> None:
        """Take a chunk's steps and return when the device has finished."""
        self.begin()
        if self.inside:
            self._take(self.offset)
            self.edges = [self.adapter.snapshot()]
            self._take(self.steps)
            self.edges.append(self.adapter.snapshot())
            self._take(steps - self.offset - self.steps)
        else:
            self._take(steps)
        self.end()
        self.adapter.synchronise()

    def _take(self, steps: int) -> None:
        if steps:
            self.batches.take(steps)

    def after(self) -> None:
        """Read the weights, of every chunk; keep them if this one was drawn."""
        last = self.adapter.get_weights()
        before, after = (edge() for edge in self.edges) if self.inside else (self.start, last)
        if self.chunk in self.kept:
            self.windows.append(Window(self.chunk, self.first, self.steps, before, after))
        self.chunk += 1
