from __future__ import annotations

import numpy as np
import pytest

from benchmarks import measure


@pytest.mark.parametrize("cost", [1e-5, 1e-3, 0.15])
def test_a_chunk_lasts_at_least_a_tenth_of_a_second(clock, cost):
    amount = measure.calibrate(clock.work(cost))
    assert measure.CHUNK_S <= amount * cost < max(5 * measure.CHUNK_S, 2 * cost)


def test_one_slow_step_is_not_taken_for_a_chunk(clock):
    costs = iter([0.5] + [1e-4] * 1000)
    assert measure.calibrate(clock.work(lambda: next(costs))) * 1e-4 >= measure.CHUNK_S


def test_warm_up_waits_until_the_speed_holds(clock):
    costs = iter([0.02, 0.015, 0.01, 0.005] + [0.002] * 100)
    assert measure.warm_up(clock.work(lambda: next(costs)), 1) == 8


def test_warm_up_gives_up_on_a_speed_that_never_holds(clock):
    costs = iter([0.9**n for n in range(100)])
    assert measure.warm_up(clock.work(lambda: next(costs)), 1) == measure.MAX_WARM_UP_CHUNKS


def test_a_known_rate_is_measured(clock):
    timed = measure.time_chunks(clock.work(1e-3), 20, 10)
    assert measure.samples_per_s(timed, 20 * 100) == pytest.approx(100 / 1e-3, rel=1e-6)
    assert timed.steady
    assert timed.cpu_s / timed.wall_s == 1


def test_a_speed_that_drifts_is_not_steady(clock):
    costs = iter([0.03] * 5 + [0.02] * 5)
    assert not measure.time_chunks(clock.work(lambda: next(costs)), 1, 10).steady


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
