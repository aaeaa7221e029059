from __future__ import annotations

import os

import pytest

from benchmarks.machine import noise
from benchmarks.machine.noise import Canary


@pytest.fixture
def singing(monkeypatch):
    """Let the canary take these seconds on two CPUs, first before and then after the launch."""

    def sing(before, after, fastest=None):
        songs = iter([before, after])
        monkeypatch.setattr(noise, "_run_on", lambda cpus: next(songs))
        with Canary([0, 1], {} if fastest is None else fastest) as made:
            pass
        return made

    return sing


def test_a_machine_that_keeps_its_speed_is_not_noisy(singing):
    made = singing([1.0, 1.0], [1.04, 0.97])
    assert made.flags() == set()
    assert made.columns() == {"canary_before_s": [1.0, 1.0], "canary_after_s": [1.04, 0.97]}


@pytest.mark.parametrize("after", [[1.06, 1.0], [1.0, 0.9]])
def test_one_cpu_that_became_faster_or_slower_is_enough(singing, after):
    assert singing([1.0, 1.0], after).flags() == {"noisy"}


def test_a_machine_that_is_as_slow_before_as_after_is_found_by_its_own_best(singing):
    fastest = {}
    assert not singing([2.0, 1.0], [2.0, 1.0], fastest).changed()  # CPUs may differ
    assert not singing([2.2, 1.1], [2.2, 1.1], fastest).changed()
    assert singing([2.0, 1.2], [2.0, 1.2], fastest).changed()
    assert fastest == {0: 2.0, 1: 1.0}
    assert not singing([1.0, 1.0], [1.0, 1.0], fastest).changed()
    assert fastest == {0: 1.0, 1: 1.0}


def test_where_it_does_not_sing_nothing_is_marked():
    with Canary([], {}) as silent:
        pass
    assert (silent.columns(), silent.flags()) == ({}, set())


def test_it_takes_a_moment_on_each_cpu_and_leaves_this_process_where_it_was():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    taken = noise._run_on(cpus)
    assert len(taken) == len(cpus)
    assert all(1e-5 < seconds < 0.2 for seconds in taken)
    assert sorted(os.sched_getaffinity(0))[:2] == cpus
