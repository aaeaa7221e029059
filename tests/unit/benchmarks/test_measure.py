from __future__ import annotations

import time

import numpy as np
import pytest

from benchmarks import measure


def sleeper(seconds_per_unit):
    def work(amount):
        end = time.perf_counter() + amount * seconds_per_unit
        while time.perf_counter() < end:
            pass

    return work


def test_a_chunk_lasts_at_least_a_tenth_of_a_second():
    for cost in (1e-5, 1e-3, 0.15):
        amount = measure.calibrate(sleeper(cost))
        assert measure.clock(sleeper(cost), amount) >= measure.CHUNK_S


def test_warm_up_waits_until_the_speed_holds():
    costs = iter([0.02, 0.015, 0.01, 0.005] + [0.002] * 100)

    def work(amount):
        sleeper(next(costs))(1)

    assert 6 <= measure.warm_up(work, 1) <= 12


def test_a_known_rate_is_measured():
    timed = measure.time_chunks(sleeper(1e-3), 20, 10)
    assert measure.samples_per_s(timed, 20 * 100) == pytest.approx(100 / 1e-3, rel=0.02)
    assert timed.steady
    assert timed.cpu_s / timed.wall_s == pytest.approx(1, abs=0.1)


def test_a_speed_that_drifts_is_not_steady():
    costs = iter([0.03] * 5 + [0.02] * 5)
    assert not measure.time_chunks(lambda amount: sleeper(next(costs))(1), 1, 10).steady


def test_chunks_that_do_not_fill_their_region_are_caught():
    timed = measure.Timed([0.001] * 10, 1.0, 1.0, True)  # milliseconds taken for seconds
    with pytest.raises(measure.Inconsistent, match="whole timed region"):
        measure.samples_per_s(timed, 100)


def test_the_collector_is_off_while_chunks_run_and_on_again_after():
    import gc

    states = []
    measure.time_chunks(lambda amount: states.append(gc.isenabled()), 1, 3)
    assert states == [False] * 3
    assert gc.isenabled()


def test_scores_are_computed_here_and_not_by_a_framework():
    from benchmarks.learn import score

    outputs = np.array([[5.0, 0.0], [0.0, 5.0], [1.0, 0.0]], "float32")
    correct, loss = score(outputs, np.array([0, 1, 1]), "cross_entropy")
    assert correct == 2
    assert loss == pytest.approx(2 * np.log1p(np.exp(-5)) + np.log1p(np.exp(1)))
    assert score(np.array([[2.4], [3.6]]), np.array([2, 3]), "mean_squared_error") == (1, pytest.approx(0.52))
