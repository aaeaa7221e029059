from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from benchmarks.stats import Means, _holm, paired, sample, speed, speed_verdicts, widest


def ratios(*each, n=6):
    """Return log ratios from pairs of a ratio and its interval's half-width on the log scale."""
    estimates, half_widths = np.array(each).T
    return Means(np.log(estimates), half_widths / special.stdtrit(n - 1, 0.975) * np.sqrt(n), np.full(len(each), n))


def test_the_interval_of_a_speed_is_student_s_on_logarithms():
    found = speed([100.0, 110.0, 121.0])
    half = 4.302652729911275 * math.log(1.1) / math.sqrt(3)  # t(0.975, 2 degrees of freedom)
    assert found.estimate == 110
    assert found.low == pytest.approx(110 * math.exp(-half))
    assert found.high == pytest.approx(110 * math.exp(half))


def test_one_launch_has_no_interval():
    found = speed([100.0])
    assert (found.estimate, found.low, found.high) == (100, 0, math.inf)
    alone = sample([0.5])
    assert (alone.half_widths(), alone.p_values()) == (math.inf, 1)
    assert np.isnan(alone.bounds()).all()


def test_what_drifts_for_both_cancels_in_a_pair():
    drift = np.array([1.0, 3.0, 0.2, 7.0, 1.5, 0.9])
    found = paired(200 * drift, 100 * drift)
    assert found.mean == pytest.approx(math.log(2))
    assert found.half_widths() < 1e-9
    assert found.p_values() < 1e-9


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_ratio_turned_over_is_its_inverse(logs, scale):
    theirs = np.linspace(1, 2, len(logs))
    ours = theirs * np.array(logs) * scale
    there, back = paired(ours, theirs), paired(theirs, ours)
    assert there.mean == pytest.approx(-back.mean, abs=1e-12)
    assert there.bounds()[0] == pytest.approx(-back.bounds()[1], abs=1e-9)
    assert there.p_values() == pytest.approx(back.p_values(), abs=1e-9)


def test_many_samples_at_once_are_judged_as_scipy_judges_each():
    samples = np.random.default_rng(0).normal(0.1, 1, (50, 7))
    found = sample(samples)
    each = stats.ttest_1samp(samples, 0, axis=1)
    assert found.p_values() == pytest.approx(each.pvalue)
    for confidence in (0.95, 0.9):
        interval = each.confidence_interval(confidence)
        assert found.half_widths(confidence) == pytest.approx((interval.high - interval.low) / 2)
    np.testing.assert_allclose(found.bounds(), each.confidence_interval(0.95))


def test_what_does_not_vary_is_sure_by_any_degrees_of_freedom():
    nothing = np.full(3, np.nan)
    found = Means(np.array([0.0, 1.0, -1.0]), np.zeros(3), np.full(3, 2.0), nothing)  # Welch's freedom is 0/0
    assert found.p_values().tolist() == [1, 0, 0]
    assert found.half_widths().tolist() == [0, 0, 0]
    assert Means(np.ones(3), nothing, np.ones(3)).p_values().tolist() == [1, 1, 1]


def test_holm_adjusts_step_by_step():
    assert _holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert _holm([0.011, 0.9, 0.01]) == pytest.approx([0.03, 0.9, 0.03])
    assert _holm([0.9, 0.8]).tolist() == [1, 1]
    assert _holm([]).tolist() == []


def test_verdicts():
    found = speed_verdicts(ratios((1.001, 0.01), (1.01, 0.001), (1.5, 0.1), (0.5, 0.1), (1.2, 0.5), (np.nan, np.nan)))
    assert found.tolist() == ["equivalent", "equivalent", "faster", "slower", "not distinguished", ""]
    assert (
        speed_verdicts(ratios((0.98, 0.03), (1.02, 0.03))).tolist() == ["not distinguished"] * 2
    )  # one bound is outside
    assert speed_verdicts(ratios((1.5, 0.001), n=5)).tolist() == [""]
    assert speed_verdicts(sample([0.5, 0.51, 0.49, 0.5, 0.52, 0.48])) == "faster"


def test_asking_many_pairs_makes_each_verdict_harder():
    assert speed_verdicts(ratios((1.1, 0.09)))[0] == "faster"
    assert speed_verdicts(ratios((1.1, 0.09), *[(1.0, 0.5)] * 9))[0] == "not distinguished"


def test_pairs_without_a_verdict_make_no_other_s_harder():
    few = ratios((1.1, 0.09), *[(1.0, 0.5)] * 9)
    few.n[1:] = 5
    assert speed_verdicts(few).tolist() == ["faster", *[""] * 9]


def test_widest_is_of_the_ratios_to_the_fastest():
    drift = [1.0, 1.5, 0.8, 1.2]
    fast = {n: 200 * d for n, d in enumerate(drift)}
    assert widest({"fast": fast, "half": {n: v / 2 for n, v in fast.items()}}) < 1e-9
    noisy = {n: v * (1.1 if n % 2 else 0.9) / 2 for n, v in fast.items()}
    assert 0.1 < widest({"fast": fast, "noisy": noisy, "half": {n: v / 2 for n, v in fast.items()}}) < 0.5
    assert widest({"alone": fast}) == pytest.approx(float(sample(np.log([*fast.values()])).half_widths()))
    assert widest({"fast": fast, "failed": {}}) == widest({"fast": fast})
    assert widest({"fast": fast, "other rounds": {9: 1.0}}) == math.inf
    assert widest({}) == math.inf
