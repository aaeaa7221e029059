"""The kernel's counters with a real neighbour."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from benchmarks.worker import interference


def spin():
    while True:
        pass


def test_a_real_neighbour_on_the_same_cpu_is_seen():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    neighbour = multiprocessing.get_context("fork").Process(target=spin, daemon=True)
    neighbour.start()
    try:
        before = interference.read()
        end = time.perf_counter() + 1
        while time.perf_counter() < end:
            pass
        found = interference.read().since(before)
    finally:
        neighbour.kill()
        os.sched_setaffinity(0, allowed)
    assert found.wall_s == pytest.approx(1, rel=0.2)
    assert 0.1 < found.cpu_s < 0.9
    assert interference._shares([found], 1)[1] > 0.2
    assert found.switches > 1
