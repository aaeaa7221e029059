"""Whole columns of ratios give what scipy and benchmarks/intervals.py give for one pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import intervals
from report import ratios
from tests.unit.report.known import STEADY


def test_welch_is_scipy_s():
    generator = np.random.default_rng(0)
    sides = [np.exp(generator.normal(mean, spread, n)) for mean, spread, n in ((0, 0.1, 6), (0.1, 0.3, 9))]
    base, new = (ratios.summary(pd.DataFrame({"cell": 0, "value": values}), "cell") for values in sides)
    found = ratios.welch(base, new).loc[0]
    expected = stats.ttest_ind(np.log(sides[1]), np.log(sides[0]), equal_var=False)
    bounds = np.exp(expected.confidence_interval(0.95))
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["ratio_low"], found["ratio_high"]) == pytest.approx((bounds[0], bounds[1]))
    assert found["n"] == 6
    alone = intervals.speed(sides[0].tolist())
    assert np.exp(base.loc[0, "mean"]) == pytest.approx(alone.estimate)
    assert tuple(base.loc[0, ["low", "high"]]) == pytest.approx((alone.low, alone.high))


def test_pairs_are_those_of_the_intervals_module():
    base, new = np.array(STEADY), np.array([1100.0, 900, 1200, 1300, 800, 1150])
    found = ratios.paired(pd.DataFrame({"line": 3, "base": base, "new": new}), "line").loc[3]
    expected = intervals.paired(new.tolist(), base.tolist())
    shown = tuple(found[["ratio", "ratio_low", "ratio_high", "p"]])
    assert shown == pytest.approx((expected.estimate, expected.low, expected.high, expected.p))
