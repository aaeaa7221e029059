"""An adapter that takes a known time for every sample, and takes it only when it is waited for.

Loaded by `pytest -p tests.sweeps.known_times` in numpy's environment, where it takes the place of numpy's.
"""

from __future__ import annotations

import time

from adapters.numpy import NumpyAdapter
from adapters.registry import FRAMEWORKS, Framework

SAMPLE_S = 0.0002  # to copy, to train on or to evaluate


class KnownTimes(NumpyAdapter):
    owed = 0  # samples that something was asked of and that were not yet waited for

    def put(self, images, labels):
        self.owed += labels.size
        return super().put(images, labels)

    def train(self, preloaded, first, count):
        self.owed += count * preloaded.labels.shape[1]

    def evaluate(self, preloaded, first, count):
        self.owed += count * preloaded.labels.shape[1]
        return []

    def synchronise(self, pending=None):
        time.sleep(SAMPLE_S * self.owed)
        self.owed = 0


def pytest_configure():  # as a plugin alone; whoever imports this file keeps numpy's own
    FRAMEWORKS["numpy"] = Framework(f"{__name__}:KnownTimes")
