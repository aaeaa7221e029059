"""An adapter whose speed is known, to measure the measuring with: it sleeps instead of computing.

It behaves as an asynchronous device does: `train`, `train_fed` and `evaluate` queue work and return at once; only
synchronise, and whatever copies results to the host, waits until the queue has drained.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Array, Feed, Resident
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import Weights


class SimulatedAdapter(NumpyAdapter):
    """Takes `step_s` seconds a training step and `batch_s` an evaluated batch; learns nothing."""

    framework = "simulated"
    step_s = 2e-3
    batch_s = 1e-3
    clock: Any = time  # anything with perf_counter and sleep

    def __init__(self) -> None:
        super().__init__(RECIPES["linear"])
        self.ready = 0.0  # the moment when the queue will have drained

    def queue(self, seconds: float) -> None:
        self.ready = max(self.ready, self.clock.perf_counter()) + seconds

    def drain(self) -> None:
        # A sleep ends late by some 60 us: the last stretch is waited for actively.
        if (rest := self.ready - self.clock.perf_counter()) > 1e-3:
            self.clock.sleep(rest - 1e-3)
        while self.clock.perf_counter() < self.ready:
            self.clock.sleep(0)

    def train(self, resident: Resident, first: int, count: int) -> None:
        self.queue(count * self.step_s)
        resident.losses[first % resident.steps] = 1.0

    def train_fed(self, feed: Feed, count: int) -> None:
        self.queue(count * self.step_s)
        feed.losses[feed.taken % feed.steps] = 1.0
        feed.taken += count

    def evaluate(self, resident: Resident, first: int, count: int) -> Any:
        self.queue(count * self.batch_s)
        return [np.zeros((resident.labels.shape[1], 1), self.dtype)] * count

    def synchronise(self, pending: Any = None) -> None:
        self.drain()

    def losses(self, batches: Resident | Feed) -> npt.NDArray[np.float64]:
        self.drain()
        return super().losses(batches)

    def fetch(self, outputs: Any) -> Array:
        self.drain()
        return super().fetch(outputs)

    def get_weights(self) -> Weights:
        if hasattr(self, "ready"):  # the contract's constructor asks for shapes before there is a queue
            self.drain()
        return super().get_weights()


class NeverWaits(SimulatedAdapter):
    """A missing synchronisation: what it queued is still to be done when it says it has finished."""

    def synchronise(self, pending: Any = None) -> None:
        self.clock.sleep(0)
