from __future__ import annotations

import pytest

from benchmarks import canary
from benchmarks.canary import Canary


@pytest.fixture
def singing(monkeypatch):
    """Let the canary take these seconds, first before and then after the launch."""

    def sing(before, after):
        songs = iter([before, after])
        monkeypatch.setattr(canary, "sing", lambda cpus: next(songs))
        with Canary([0, 1]) as made:
            pass
        return made

    return sing


def test_a_machine_that_keeps_its_speed_is_not_disturbed(singing):
    row = singing([1.0, 1.0], [1.04, 0.97]).mark({"flags": ["not_steady"]})
    assert row["flags"] == ["not_steady"]
    assert (row["canary_before_s"], row["canary_after_s"]) == ([1.0, 1.0], [1.04, 0.97])


@pytest.mark.parametrize("after", [[1.06, 1.0], [1.0, 0.9]])
def test_one_cpu_that_became_faster_or_slower_is_enough(singing, after):
    assert singing([1.0, 1.0], after).mark({"flags": None})["flags"] == ["disturbed"]
    assert singing([1.0, 1.0], after).mark({"flags": ["disturbed"]})["flags"] == ["disturbed"]


def test_where_it_does_not_sing_nothing_is_marked():
    with Canary([0, 1], sings=False) as silent:
        pass
    assert silent.mark({"status": "ok"}) == {"status": "ok"}


def test_it_takes_a_moment_on_each_cpu():
    [taken] = canary.sing([0])
    assert 1e-5 < taken < 0.1
