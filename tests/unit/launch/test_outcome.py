"""What a worker may say of its launch, and what only the harness says."""

from __future__ import annotations

import json

import pytest

from benchmarks.launch import outcome


def outcome_of(**more):
    answer = {"status": "ok", "reason": "", "framework_version": "1.0", "flags": [], "accuracy": 0.5, "epochs": 1}
    return json.dumps(answer | more).encode()


def test_what_a_worker_may_say_is_read():
    assert outcome.read(outcome_of(), "accuracy")["accuracy"] == 0.5


@pytest.mark.parametrize("name", ["attempt", "seed", "sweep", "cell", "lockstep", "mfu", "duration_s"])
def test_what_the_harness_knows_itself_is_not_a_worker_s_to_say(name):
    with pytest.raises(outcome.AnswerInvalid, match=f"has an unknown field {name!r}"):
        outcome.read(outcome_of(**{name: 2}), "accuracy")


@pytest.mark.parametrize("flags", ["3", '"noisy"', "[null]", '{"noisy": 1}'])
def test_flags_that_are_not_texts_make_an_answer_of_any_task_invalid(flags):
    found = outcome.judge(0, b'{"status": "failed", "reason": "", "flags": %s}' % flags.encode(), "", "products")
    assert (found.status, found.flags) == ("invalid", frozenset())
    assert "no valid 'flags" in found.reason
    found = outcome.judge(0, b'{"status": "failed", "reason": "", "flags": ["noisy"]}', "", "products")
    assert (found.status, found.flags, found.answer) == ("failed", {"noisy"}, {})


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"worker_s": 4.0}, "the worker's clock says 4.50 s until its answer, the harness's 8.50 s"),
        ({"worker_s": 12.0}, "the worker's clock says 12.50 s"),
        ({"timed_s": 9.0}, "the timed chunks add up to 9.00 s, the worker lasted 8.00 s"),
        ({"cpu_s": 30.0}, "30.00 s of CPU time do not fit into 8.50 s on 2 CPUs"),
        ({}, ""),
        ({"worker_s": 7.2, "cpu_s": 17.0}, ""),
    ],
)
def test_seconds_that_do_not_fit_the_harness_s_own_are_invalid(answer, what):
    seconds = {"start_s": 0.5, "worker_s": 8.0, "timed_s": 2.0, "cpu_s": 15.0} | answer
    found = outcome.Outcome("ok", "", seconds, "", answered_s=8.5).checked(10, 2)
    assert (found.status, found.reason[: len(what)]) == (("invalid", what) if what else ("ok", ""))
