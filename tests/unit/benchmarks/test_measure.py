from __future__ import annotations

import numpy as np
import pytest

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks import measure
from benchmarks.batches import Inputs, write_inputs
from benchmarks.simulated import NeverWaits, SimulatedAdapter


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
    timed = measure.time_chunks(clock.work(1e-3), 20, 10, settle=lambda: None)
    assert measure.samples_per_s(timed, 20 * 100) == pytest.approx(100 / 1e-3, rel=1e-6)
    assert timed.steady
    assert timed.cpu_s / timed.wall_s == 1


def test_a_speed_that_drifts_is_not_steady(clock):
    costs = iter([0.03] * 5 + [0.02] * 5)
    assert not measure.time_chunks(clock.work(lambda: next(costs)), 1, 10, settle=lambda: None).steady


def test_chunks_that_do_not_fill_their_region_are_caught():
    timed = measure.Timed([0.001] * 10, 1.0, 1.0, True)  # milliseconds taken for seconds
    with pytest.raises(measure.Inconsistent, match="whole timed region"):
        measure.samples_per_s(timed, 100)


def test_the_collector_is_off_while_chunks_run_and_on_again_after():
    import gc

    states = []
    measure.time_chunks(lambda amount: states.append(gc.isenabled()), 1, 3, settle=lambda: None)
    assert states == [False] * 3
    assert gc.isenabled()


@pytest.fixture
def simulated(clock, monkeypatch, tmp_path):
    """Measure a simulated adapter by the simulated clock: 250 training and 70 test digits, batches of 20."""
    recipe = RECIPES["linear"]
    for part, size in (("train", 250), ("test", 70)):
        np.save(tmp_path / f"{part}_images.npy", np.zeros((size, 28, 28), np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", np.zeros(size, np.uint8))
    write_inputs(tmp_path, initial_weights(recipe.model, recipe.initialiser, 0), 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float32")
    monkeypatch.setattr(SimulatedAdapter, "clock", clock)
    return lambda adapter=SimulatedAdapter, plan=None, **options: measure.speeds(adapter(), inputs, 20, plan, **options)


def test_a_known_speed_is_measured_from_end_to_end(simulated):
    found = simulated()
    assert found["train_samples_per_s"] == pytest.approx(20 / SimulatedAdapter.step_s, rel=1e-3)
    assert found["eval_samples_per_s"] == pytest.approx(20 / SimulatedAdapter.batch_s, rel=1e-3)
    assert found["first_step_s"] == pytest.approx(SimulatedAdapter.step_s, rel=1e-3)
    assert len(found["train_chunk_s"]) == measure.CHUNKS
    assert min(found["train_chunk_s"]) >= measure.CHUNK_S
    assert found["train_chunk_s"] == pytest.approx([found["chunk_steps"] * SimulatedAdapter.step_s] * 10, rel=1e-3)


def test_a_feed_is_made_in_the_first_step_and_ended_before_evaluation_is_timed(simulated, clock):
    events = []

    class Fed(SimulatedAdapter):
        def feed(self, images, labels, order):
            clock.sleep(0.5)
            assert (images.shape, labels.shape, order.shape) == ((250, 1, 28, 28), (250,), (12, 20))
            assert (images.dtype, labels.dtype, order.dtype) == (np.float32, np.int64, np.int64)
            made = super().feed(images, labels, order)
            made.close = lambda: events.append("closed")
            return made

        def train(self, resident, first, count):
            raise AssertionError("a cell that is fed trains on resident batches")

        def evaluate(self, resident, first, count):
            events.append("evaluated")
            return super().evaluate(resident, first, count)

    found = simulated(Fed, pipeline="host")
    assert found["first_step_s"] == pytest.approx(0.5 + Fed.step_s, rel=1e-3)
    assert found["train_samples_per_s"] == pytest.approx(20 / Fed.step_s, rel=1e-3)
    assert events[:2] == ["closed", "evaluated"]
    assert events.count("closed") == 1


def test_a_plan_is_followed(simulated):
    plan = {"chunk_steps": 77, "warm_up_chunks": 3, "eval_passes": 40}
    assert {name: simulated(plan=plan)[name] for name in plan} == plan


def test_a_missing_synchronisation_is_caught(simulated):
    with pytest.raises(measure.Inconsistent, match="synchronisation missing"):
        simulated(NeverWaits)
    with pytest.raises(measure.Inconsistent, match="whole timed region"):
        simulated(NeverWaits, {"chunk_steps": 50, "warm_up_chunks": 3, "eval_passes": 40})


def test_one_slow_chunk_does_not_move_the_speed():
    timed = measure.Timed([0.1] * 9 + [0.12], 1.0, 1.02, True)
    assert measure.samples_per_s(timed, 100) == pytest.approx(1000)
    assert measure.samples_per_s(measure.Timed([0.1, 0.11, 0.12], 0.3, 0.33, True), 110) == pytest.approx(1000)


def test_scores_are_computed_here_and_not_by_a_framework():
    from benchmarks.learn import score

    outputs = np.array([[5.0, 0.0], [0.0, 5.0], [1.0, 0.0]], "float32")
    correct, loss = score(outputs, np.array([0, 1, 1]), "cross_entropy")
    assert correct == 2
    assert loss == pytest.approx(2 * np.log1p(np.exp(-5)) + np.log1p(np.exp(1)))
    assert score(np.array([[2.4], [3.6]]), np.array([2, 3]), "mean_squared_error") == (1, pytest.approx(0.52))
