from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.intervals import Ratio, holm, paired, speed, verdicts, widest


def ratio(estimate, half_width, p, n=6):
    return Ratio(estimate, estimate * math.exp(-half_width), estimate * math.exp(half_width), n, p)


def test_the_interval_of_a_speed_is_student_s_on_logarithms():
    found = speed([100.0, 110.0, 121.0])
    half = 4.302652729911275 * math.log(1.1) / math.sqrt(3)  # t(0.975, 2 degrees of freedom)
    assert found.estimate == 110
    assert found.low == pytest.approx(110 * math.exp(-half))
    assert found.high == pytest.approx(110 * math.exp(half))
    assert found.half_width == pytest.approx(half)


def test_one_launch_has_no_interval():
    found = speed([100.0])
    assert (found.estimate, found.low, found.high) == (100, 0, math.inf)
    assert found.half_width == math.inf


def test_what_drifts_for_both_cancels_in_a_pair():
    drift = np.array([1.0, 3.0, 0.2, 7.0, 1.5, 0.9])
    found = paired(200 * drift, 100 * drift)
    assert found.estimate == pytest.approx(2)
    assert found.half_width < 1e-9
    assert found.p < 1e-9


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_ratio_turned_over_is_its_inverse(logs, scale):
    theirs = np.linspace(1, 2, len(logs))
    ours = theirs * np.array(logs) * scale
    there, back = paired(ours, theirs), paired(theirs, ours)
    assert there.estimate * back.estimate == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)
    assert there.p == pytest.approx(back.p, abs=1e-9)


def test_holm_adjusts_step_by_step():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_verdicts():
    found = verdicts(
        {
            "equivalent": ratio(1.001, 0.01, 0.5),
            "equivalent though sure": ratio(1.01, 0.001, 1e-9),
            "faster": ratio(1.5, 0.1, 1e-6),
            "slower": ratio(0.5, 0.1, 1e-6),
            "wide": ratio(1.2, 0.5, 0.3),
            "too few": ratio(1.5, 0.001, 1e-9, n=5),
        }
    )
    words = [name.split(" ")[0] for name in found]
    assert [verdict or "too" for verdict in found.values()] == [*words[:4], "not distinguished", "too"]


def test_asking_many_pairs_makes_each_verdict_harder():
    assert verdicts({"a": ratio(1.1, 0.09, 0.04)})["a"] == "faster"
    many = {"a": ratio(1.1, 0.09, 0.04), **{str(n): ratio(1.0, 0.5, 0.9) for n in range(9)}}
    assert verdicts(many)["a"] == "not distinguished"


def test_widest_is_of_the_ratios_to_the_fastest():
    drift = [1.0, 1.5, 0.8, 1.2]
    fast = {n: 200 * d for n, d in enumerate(drift)}
    assert widest({"fast": fast, "half": {n: v / 2 for n, v in fast.items()}}) < 1e-9
    noisy = {n: v * (1.1 if n % 2 else 0.9) / 2 for n, v in fast.items()}
    assert 0.1 < widest({"fast": fast, "noisy": noisy, "half": {n: v / 2 for n, v in fast.items()}}) < 0.5
    assert widest({"alone": fast}) == pytest.approx(speed(list(fast.values())).half_width)
    assert widest({"fast": fast, "failed": {}}) == widest({"fast": fast})
    assert widest({"fast": fast, "other rounds": {9: 1.0}}) == math.inf
    assert widest({}) == math.inf
