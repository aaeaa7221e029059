from __future__ import annotations

import os

import pytest

from benchmarks.worker import interference
from benchmarks.worker.interference import Counters

STAT = """cpu  100 0 100 1000 0 0 0 50 0 0
cpu0 60 1 40 500 7 2 3 50 9 0
cpu1 40 0 60 500 0 0 0 0 0 0
cpu10 1000 0 0 0 0 0 0 1000 0 0
intr 1 2 3
"""


def chunk(**values):
    return Counters(
        **({"wall_s": 1.0, "cpu_s": 2.0, "busy_s": 2.0, "stolen_s": 0.0, "pressure_s": 0.0, "switches": 0} | values)
    )


def test_only_the_worker_s_cpus_count():
    tick = interference.TICK_S
    assert interference._cpu_times(STAT, {0, 1}) == pytest.approx(((60 + 1 + 40 + 2 + 3 + 100) * tick, 50 * tick))
    assert interference._cpu_times(STAT, {1}) == pytest.approx((100 * tick, 0))


def test_what_others_took_is_a_share_of_all_the_cpus_time():
    chunks = [chunk(), chunk(busy_s=2.4, stolen_s=0.1)]
    assert interference._shares(chunks, 2) == pytest.approx((0.1 / 4, 0.4 / 4))
    assert interference._shares([chunk(busy_s=1.99)], 2) == (0.0, 0.0)  # ticks may count a little less


@pytest.mark.parametrize(
    ("values", "found"),
    [({}, []), ({"stolen_s": 0.05}, ["noisy"]), ({"busy_s": 2.2}, ["noisy"]), ({"stolen_s": 0.03}, [])],
)
def test_a_launch_is_noisy_above_the_tolerated_share(values, found, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert interference.flags([chunk(**values)]) == found
