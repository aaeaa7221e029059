"""When a set of launches says that the machine was busy, and what it names as the cause."""

from __future__ import annotations

import pytest

from benchmarks.record import busy
from benchmarks.record.schema import validate

OTHERS = {"flags": ["noisy"], "foreign_share": 0.3, "stolen_share": 0.01}
STOLEN = {"flags": ["noisy"], "foreign_share": 0.06, "stolen_share": 0.1}
HELD = {  # of 2 threads and 2 s; others take what the quota leaves
    "flags": ["noisy", "throttled"],
    "cpu_throttled_s": 3.3,
    "train_timed_between_s": [7.0, 9.0],
    "foreign_share": 0.86,
}
QUIET = {"flags": [], "foreign_share": 0.01, "stolen_share": 0.01}


@pytest.fixture
def launches(row):
    return lambda *some: [validate(row | changes) for changes in some]


def test_a_busy_machine_is_said_with_the_largest_cause_of_each_launch(launches):
    assert busy.of_rows(launches(*[OTHERS] * 31, *[STOLEN] * 5)) == (
        "36 of 36 launches were noisy: 31 by other processes, 5 by the hypervisor; repeat when the machine is idle; "
        "`python -m benchmarks info check` shows what is busy"
    )


def test_a_third_is_not_yet_many(launches):
    assert busy.of_rows(launches(*[OTHERS] * 2, *[QUIET] * 4)) == ""
    assert busy.of_rows(launches(*[OTHERS] * 3, *[QUIET] * 5)).startswith("3 of 8 launches were noisy: 3 by other pro")
    assert busy.of_rows([]) == ""


def test_only_speeds_that_count_are_counted(launches):
    uncounted = [OTHERS | {"task": "accuracy"}, OTHERS | {"status": "invalid"}]
    assert busy.of_rows(launches(QUIET, *uncounted * 4)) == ""
    assert busy.of_rows(launches(OTHERS, *uncounted)).startswith("1 of 1 launch was noisy: ")


def test_a_quota_is_a_cause_with_another_remedy(launches):
    assert busy.of_rows(launches(HELD, HELD, OTHERS)) == (
        "3 of 3 launches were noisy: 2 by a quota of CPU time, 1 by other processes; "
        "give fewer --threads, or raise the quota; `python -m benchmarks info check` shows it"
    )


def test_a_card_that_holds_its_clock_is_not_a_busy_machine(launches):
    assert busy.of_rows(launches(*[QUIET | {"flags": ["throttled"], "gpu_throttles": ["power cap"]}] * 3)) == ""


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"canary_before_s": [1.0, 1.0], "canary_after_s": [1.0, 0.8]}, "a CPU that changed its speed"),
        ({"canary_before_s": [1.0], "canary_after_s": [1.3], "foreign_share": 0.4}, "other processes"),
        ({"canary_before_s": [1.0], "canary_after_s": [1.03], "foreign_share": 0.04}, busy.UNSEEN),
        ({"canary_before_s": [], "canary_after_s": [], "gpu_other_processes": 1}, "other processes on the card"),
        ({"cpu_throttled_s": 0.5, "train_timed_between_s": None}, busy.UNSEEN),
        (HELD | {"cpu_throttled_s": 0.1}, "other processes"),  # the quota hardly bound
        (HELD, busy.QUOTA),
        ({"canary_before_s": [0.0, 1.0], "canary_after_s": [1.0], "train_timed_between_s": [1.0]}, busy.UNSEEN),
        ({"foreign_share": float("nan"), "stolen_share": 0.03}, "the hypervisor"),
    ],
)
def test_the_cause_is_what_took_most(launches, changes, cause):
    [row] = launches({"flags": ["noisy"]})
    assert busy.cause(row | changes) == cause
