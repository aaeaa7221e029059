from __future__ import annotations

import pytest

from benchmarks.worker import interference, speed, timing


class Clock:
    """A clock that only work moves, so that no load on the machine can spoil a test."""

    def __init__(self):
        self.ns = 1_000_000_000

    def perf_counter_ns(self):
        return self.ns

    process_time_ns = perf_counter_ns

    def perf_counter(self):
        return self.ns / 1e9

    def sleep(self, seconds):
        self.ns += max(1000, round(seconds * 1e9))

    def work(self, seconds_per_unit):
        def work(amount):
            cost = seconds_per_unit() if callable(seconds_per_unit) else seconds_per_unit
            self.ns += round(amount * cost * 1e9)

        return work


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (interference, speed, timing, speed):
        monkeypatch.setattr(module, "time", made)
    return made
