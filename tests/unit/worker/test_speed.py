"""A speed launch from end to end, on a simulated device and by a clock that only work moves."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.recipes import RECIPES
from benchmarks.checks.selfcheck import NeverWaits, SimulatedAdapter
from benchmarks.worker import speed, timing
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.speed import CHUNKS, EVAL_CHUNKS, PLAN, speeds


@pytest.fixture
def simulated(clock, monkeypatch, tmp_path):
    """Measure a simulated adapter by the simulated clock: 250 training and 70 test digits, batches of 20."""
    recipe = RECIPES["linear"]
    for part, size in (("train", 250), ("test", 70)):
        np.save(tmp_path / f"{part}_images.npy", np.zeros((size, 1, 28, 28), np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", np.zeros(size, np.uint8))
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float32")
    monkeypatch.setattr(SimulatedAdapter, "clock", clock)
    return lambda adapter=SimulatedAdapter, plan=None, **options: speeds(adapter(), inputs, 20, plan, **options)


def test_a_known_speed_is_measured_from_end_to_end(simulated):
    found = simulated()
    assert found["train_samples_per_s"] == pytest.approx(20 / SimulatedAdapter.step_s, rel=1e-3)
    assert found["eval_samples_per_s"] == pytest.approx(20 / SimulatedAdapter.batch_s, rel=1e-3)
    assert found["first_step_s"] == pytest.approx(SimulatedAdapter.step_s, rel=1e-3)
    assert len(found["train_chunk_s"]) == CHUNKS
    assert min(found["train_chunk_s"]) >= timing.CHUNK_S
    assert found["train_chunk_s"] == pytest.approx([found["chunk_steps"] * SimulatedAdapter.step_s] * 10, rel=1e-3)


def test_each_quantity_has_a_column_of_its_own(simulated):
    found = simulated()
    step_s, pass_s = SimulatedAdapter.step_s, SimulatedAdapter.batch_s * 3  # 70 test digits: three full batches
    assert found["first_eval_s"] == pytest.approx(pass_s, rel=1e-3)
    assert found["timed_s"] == pytest.approx(
        10 * found["chunk_steps"] * step_s + 5 * found["eval_passes"] * pass_s, rel=1e-3
    )
    assert found["warm_up_s"] > 4 * timing.CHUNK_S
    assert found["step_latency_p50_s"] == found["step_latency_p95_s"] == pytest.approx(step_s, rel=1e-3)
    assert found["latency_steps"] == pytest.approx(speed.LATENCY_S / step_s, abs=2)
    assert found["flags"] == []


def test_a_chunk_is_one_call_where_calls_cost_something_besides_their_steps(simulated):
    class Counting(SimulatedAdapter):
        def train(self, preloaded, first, count):
            calls.append(count)
            super().train(preloaded, first, count)

    class Whole(Counting):
        calls_are_whole = True

    for adapter, in_parts in ((Counting, True), (Whole, False)):
        calls = []
        steps = simulated(adapter, judged_steps=1)["chunk_steps"]
        several = [count for count in calls if count > 1]  # the last are those of timed chunks
        assert any(count < steps for count in several[-CHUNKS:]) == in_parts


def test_what_a_call_costs_besides_its_steps_is_a_twentieth_of_theirs_at_most(simulated, clock):
    class Costly(SimulatedAdapter):
        calls_are_whole = True

        def train(self, preloaded, first, count):
            clock.sleep(0.05)
            super().train(preloaded, first, count)

    found = simulated(Costly)
    assert 0.95 < found["train_samples_per_s"] * SimulatedAdapter.step_s / 20 < 0.97
    assert found["step_latency_p50_s"] == pytest.approx(SimulatedAdapter.step_s + 0.05, rel=1e-3)


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

        def train(self, preloaded, first, count):
            raise AssertionError("a cell that is fed trains on preloaded batches")

        def evaluate(self, preloaded, first, count):
            events.append("evaluated")
            return super().evaluate(preloaded, first, count)

    found = simulated(Fed, input="host")
    assert found["first_step_s"] == pytest.approx(0.5 + Fed.step_s, rel=1e-3)
    assert found["train_samples_per_s"] == pytest.approx(20 / Fed.step_s, rel=1e-3)
    assert events.count("closed") == 1
    timed = EVAL_CHUNKS * found["eval_passes"]
    assert events[-timed - 1 :] == ["closed"] + ["evaluated"] * timed


def test_a_plan_is_followed(simulated):
    plan = {"chunk_steps": 77, "warm_up_chunks": 3, "eval_passes": 40}
    found = simulated(plan=plan)
    assert {name: found[name] for name in plan} == plan
    assert found["warm_up_s"] == pytest.approx(3 * 77 * SimulatedAdapter.step_s, rel=1e-3)


def test_slow_steps_have_chunks_of_as_many_as_are_judged_of_each(simulated):
    class Slow(SimulatedAdapter):
        step_s = 0.3

    assert [simulated(Slow, judged_steps=steps)["chunk_steps"] for steps in (10, 11, 20, 21)] == [1, 2, 2, 3]


def test_longer_chunks_are_warmed_up_no_longer(simulated):
    found = simulated(chunk_s=0.4)
    assert min(found["train_chunk_s"]) >= 0.4
    again = simulated(plan={name: found[name] for name in PLAN}, chunk_s=0.4)
    warm_up_s = found["warm_up_chunks"] * timing.CHUNK_S
    assert warm_up_s <= again["warm_up_s"] <= 1.3 * warm_up_s


def test_a_missing_synchronisation_is_caught(simulated):
    with pytest.raises(timing.Inconsistent, match="synchronisation missing"):
        simulated(NeverWaits)
    with pytest.raises(timing.Inconsistent, match=r"between chunks in .* is a synchronisation missing"):
        simulated(NeverWaits, {"chunk_steps": 50, "warm_up_chunks": 3, "eval_passes": 40})
