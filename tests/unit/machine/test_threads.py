"""With how many threads may be measured: what is there, and what a user is told who asks for more."""

from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from benchmarks.machine import hardware
from benchmarks.worker import cgroup


@pytest.fixture
def machine(monkeypatch):
    def has(cores, quota):
        monkeypatch.setattr(hardware, "physical_cpus", lambda: list(range(cores)))
        monkeypatch.setattr(cgroup, "quota_cpus", lambda: quota)

    return has


@pytest.mark.parametrize(("cores", "quota", "most"), [(4, None, 4), (4, 0.5, 1), (4, 1.0, 1), (4, 2.5, 3), (2, 8.0, 2)])
def test_no_more_threads_than_cores_and_quota(machine, cores, quota, most):
    machine(cores, quota)
    assert hardware.most_threads() == most
    assert hardware.chosen_threads(None) == [most]
    assert hardware.chosen_threads([f"1,{most}"]) == list(dict.fromkeys([1, most]))


@pytest.mark.parametrize(
    ("cores", "quota", "asked", "words"),
    [
        (2, 0.5, "2", "--threads 2: a quota lets this process use 0.5 of 2 cores; type --threads 1"),
        (4, 2.5, "1,4", "--threads 4: a quota lets this process use 2.5 of 4 cores; type --threads 3 or fewer"),
        (2, 8.0, "3", "--threads 3: this process may use 2 cores; type --threads 2 or fewer"),
        (1, None, "2", "--threads 2: this process may use 1 core; type --threads 1"),
    ],
)
def test_more_is_refused_in_a_line_that_says_what_is_there_and_what_to_type(machine, cores, quota, asked, words):
    machine(cores, quota)
    with pytest.raises(UsageError) as refused:
        hardware.chosen_threads([asked])
    assert str(refused.value) == words


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_threads_is_refused_with_the_range(machine, asked):
    machine(4, 2.5)
    with pytest.raises(UsageError, match="expected whole numbers from 1 to 3"):
        hardware.chosen_threads([asked])
