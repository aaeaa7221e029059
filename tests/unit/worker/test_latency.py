from __future__ import annotations

import pytest

from benchmarks.checks.selfcheck import SimulatedAdapter
from benchmarks.worker import speed


def test_percentiles_are_values_that_were_measured():
    taken = [float(n) for n in range(1, 201)]
    assert [speed._percentile(taken, percent) for percent in (50, 95, 99)] == [100.0, 190.0, 198.0]


@pytest.mark.parametrize(("steps", "known"), [(19, [True, False, False]), (20, [True, True, False]), (100, [True] * 3)])
def test_a_percentile_needs_steps_beyond_it(steps, known):
    taken = [1.0] * steps
    assert [speed._percentile(taken, percent) is not None for percent in (50, 95, 99)] == known


def test_slow_steps_are_taken_often_enough(clock):
    assert len(speed._single_steps(clock.work(0.1), 0.25)) == speed.FEWEST
    assert len(speed._single_steps(clock.work(1e-9), 0.25)) == speed.MOST


def test_a_tail_shows_in_the_high_percentiles_alone(clock):
    costs = iter([0.02] * 18 + [0.05] * 2)
    found = speed._latencies(clock.work(lambda: next(costs)))
    assert found["step_latency_p50_s"] == pytest.approx(0.02)
    assert found["step_latency_p95_s"] == pytest.approx(0.05)
    assert found["step_latency_p99_s"] is None


def test_an_empty_step_of_a_simulated_device_takes_its_step_time(clock, monkeypatch):
    monkeypatch.setattr(SimulatedAdapter, "clock", clock)
    found = speed.dispatch_s(lambda *axes: SimulatedAdapter(), "cpu", "eager", "float32")
    assert found == pytest.approx(SimulatedAdapter.step_s, rel=1e-3)
