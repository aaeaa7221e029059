"""A clock that strays is told from a message that came late: the first spoils all that its machine has measured."""

from __future__ import annotations

import pytest

from benchmarks.sweep.dask.rpc import Clock

FIRST = Clock(1000.0, 50.0, 50.2)  # read between two moments of the driver's


@pytest.mark.parametrize(
    ("member_s", "sent_s", "received_s"),
    [
        (1100.0, 150.0, 150.2),
        (1101.5, 150.0, 150.2),  # 1.5 % fast
        (1098.5, 150.0, 150.2),
        (1100.0, 150.0, 170.0),  # the answer waited for a link that was cut
        (1120.0, 150.0, 170.0),  # the question did
    ],
)
def test_what_a_delay_explains_is_no_wrong_clock(member_s, sent_s, received_s):
    assert FIRST.wrong_rate(Clock(member_s, sent_s, received_s)) is None


def test_a_first_answer_that_was_late_accuses_nobody():
    assert Clock(1000.0, 30.0, 50.0).wrong_rate(Clock(1100.0, 150.0, 150.2)) is None


@pytest.mark.parametrize(("member_s", "rate"), [(1050.0, 0.5), (1200.0, 2.0), (1096.0, 0.96), (1104.0, 1.04)])
def test_a_clock_that_is_slow_or_fast_strays(member_s, rate):
    assert FIRST.wrong_rate(Clock(member_s, 150.0, 150.2)) == pytest.approx(rate, abs=0.005)
