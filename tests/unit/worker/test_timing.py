from __future__ import annotations

import pytest

from adapters import contract
from benchmarks.worker import timing


@pytest.mark.parametrize("cost", [1e-5, 1e-3, 0.15])
def test_a_chunk_lasts_at_least_a_tenth_of_a_second(clock, cost):
    amount = timing.calibrate(clock.work(cost))
    assert timing.CHUNK_S <= amount * cost < max(5 * timing.CHUNK_S, 2 * cost)


def test_a_longer_chunk_is_made_of_more_steps(clock):
    amount = timing.calibrate(clock.work(1e-3), chunk_s=0.4)
    assert 0.4 <= amount * 1e-3 < 0.6


def test_one_slow_step_is_not_taken_for_a_chunk(clock):
    costs = iter([0.5] + [1e-4] * 1000)
    assert timing.calibrate(clock.work(lambda: next(costs))) * 1e-4 >= timing.CHUNK_S


def test_warm_up_waits_until_the_speed_holds(clock):
    costs = iter([0.02, 0.015, 0.01, 0.005] + [0.002] * 100)
    assert len(timing.warm_up(clock.work(lambda: next(costs)), 1)) == 8


def test_warm_up_gives_up_on_a_speed_that_never_holds(clock):
    costs = iter([0.9**n for n in range(100)])
    assert len(timing.warm_up(clock.work(lambda: next(costs)), 1)) == timing.MAX_WARM_UP_CHUNKS


def test_a_known_rate_is_measured(clock):
    timed = timing.time_chunks(clock.work(1e-3), 20, 10, settle=lambda: None)
    assert timing.samples_per_s(timed, 20 * 100) == pytest.approx(100 / 1e-3, rel=1e-6)
    assert timed.steady
    assert timed.cpu_s / timed.wall_s == 1


def test_a_speed_that_drifts_is_drifting(clock):
    costs = iter([0.03] * 5 + [0.02] * 5)
    assert not timing.time_chunks(clock.work(lambda: next(costs)), 1, 10, settle=lambda: None).steady


def test_chunks_that_do_not_fill_their_region_are_caught():
    timed = timing.Timed([0.001] * 10, 1.0, 1.0, True)  # milliseconds taken for seconds
    with pytest.raises(timing.Inconsistent, match="whole timed region"):
        timing.samples_per_s(timed, 100)


def test_the_collector_is_off_while_chunks_run_and_on_again_after():
    import gc

    states = []
    timing.time_chunks(lambda amount: states.append(gc.isenabled()), 1, 3, settle=lambda: None)
    assert states == [False] * 3
    assert gc.isenabled()


def test_one_slow_chunk_does_not_move_the_speed():
    timed = timing.Timed([0.1] * 9 + [0.12], 1.0, 1.02, True)
    assert timing.samples_per_s(timed, 100) == pytest.approx(1000)
    assert timing.samples_per_s(timing.Timed([0.1, 0.11, 0.12], 0.3, 0.33, True), 110) == pytest.approx(1000)


class Queue:
    """A device that works when it is waited for, and times itself by notes in its queue: nine tenths of the wall."""

    def __init__(self, clock):
        self.clock, self.said, self.notes, self.asked = clock, [], [], 0

    def train(self, preloaded, first, count):
        self.said.append("train")
        self.asked += count

    def synchronise(self, pending=None):
        self.said.append("wait")
        self.clock.work(1e-3)(self.asked)
        self.asked = 0

    def start(self):
        self.said.append("start")

    def stop(self):
        self.said.append("stop")
        self.notes.append(0.9e-3 * self.asked)

    def seconds(self):
        assert self.said[-1] == "wait"
        return self.notes[-1]


def test_the_device_s_clock_lies_within_the_chunk_and_before_its_end_is_waited_for(clock):
    queue = Queue(clock)
    device = timing.DeviceClock(queue)
    work = timing.training(queue, timing.PreloadedBatches(queue, contract.Preloaded(None, None, 7)), device)
    work(3)
    assert queue.said == ["train", "wait"]  # warm-up and single steps have no events
    timed = timing.time_chunks(work, 100, 4, settle=lambda: None, device=device)
    assert queue.said[2:] == ["start", "train", "stop", "wait"] * 4
    assert timed.device_s == pytest.approx([0.09] * 4)
    assert timed.chunk_s == pytest.approx([0.1] * 4)
    work(1)
    assert queue.said[-2:] == ["train", "wait"]


def test_no_chunk_ends_before_the_device_was_waited_for(clock):
    queue = Queue(clock)
    for device in (timing.DeviceClock(queue), timing.NO_CLOCK):
        work = timing.training(queue, timing.PreloadedBatches(queue, contract.Preloaded(None, None, 7)), device)
        chunks = len(timing.time_chunks(work, 100, 5, settle=lambda: None, device=device).chunk_s)
        assert [said for said in queue.said if said in ("train", "wait")] == ["train", "wait"] * chunks
        assert queue.asked == 0
        queue.said.clear()


@pytest.mark.parametrize("timer", [None, "always 0"])
def test_a_device_without_events_has_no_seconds_of_its_own(clock, timer):
    queue = Queue(clock)
    queue.stop = lambda: queue.notes.append(0.0)
    device = timing.DeviceClock(queue if timer else None)
    work = timing.training(queue, timing.PreloadedBatches(queue, contract.Preloaded(None, None, 7)), device)
    assert timing.time_chunks(work, 100, 3, settle=lambda: None, device=device).device_s == ()


def test_a_pause_may_copy_many_arrays_and_do_no_more():
    for pause_s, arrays, bound in ((0.009, 6, None), (0.02, 6, "0.01"), (0.02, 41, None), (0.05, 41, "0.041")):
        timed = timing.Timed([0.1] * 10, 1.0, 1.0, True, pause_s=(pause_s,) * 10, pause_cpu_s=(pause_s,) * 10)
        if bound is None:
            timing.check_pauses(timed, 0, arrays, "cpu")
        else:
            with pytest.raises(timing.Inconsistent, match=f"in {pause_s} CPU seconds, bound {bound}:"):
                timing.check_pauses(timed, 0, arrays, "cpu")
