"""Whole columns of ratios give what scipy and benchmarks/stats.py give for one pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.stats import judged_ratios, paired, simultaneous, speed
from report.tables import intervals
from report.tables.groups import means
from tests.unit.report.known import STEADY


def verdicts(found):
    """Return the verdicts of a table of log ratios."""
    return judged_ratios(means(found), simultaneous(means(found))).verdict.tolist()


def test_welch_is_scipy_s():
    generator = np.random.default_rng(0)
    sides = [np.exp(generator.normal(mean, spread, n)) for mean, spread, n in ((0, 0.1, 6), (0.1, 0.3, 9))]
    base, new = (intervals.summary(pd.DataFrame({"cell": 0, "value": values}), 1) for values in sides)
    found = intervals.welch(base, new)
    expected = stats.ttest_ind(np.log(sides[1]), np.log(sides[0]), equal_var=False)
    assert np.ravel(means(found).bounds()) == pytest.approx(expected.confidence_interval(0.95))
    assert found["n"].tolist() == [6]
    alone = speed(sides[0].tolist())
    assert np.exp(base.loc[0, "mean"]) == pytest.approx(alone.estimate)
    assert tuple(base.loc[0, ["low", "high"]]) == pytest.approx((alone.low, alone.high))


def test_sides_that_do_not_vary_are_surely_apart():
    base, new = (intervals.summary(pd.DataFrame({"cell": 0, "value": [value] * 6}), 1) for value in (100.0, 90.0))
    assert verdicts(intervals.welch(base, new)) == ["slower"]
    assert verdicts(intervals.welch(base, base)) == ["equivalent"]


def test_a_value_without_a_logarithm_leaves_its_cell_without_an_interval_and_a_verdict():
    values = pd.DataFrame({"cell": [0] * 6 + [1] * 6, "value": [0.0, *STEADY[:5], *STEADY]})
    found = intervals.summary(values, 2)
    assert found["n"].tolist() == [6, 6]
    assert found[["mean", "std", "low", "high"]].isna().all(axis=1).tolist() == [True, False]
    assert verdicts(found) == ["", "faster"]


def test_pairs_are_those_of_the_intervals_module():
    base, new = np.array(STEADY), np.array([1100.0, 900, 1200, 1300, 800, 1150])
    found = means(intervals.paired(pd.DataFrame({"line": 1, "base": base, "new": new}), 2))
    expected = paired(new.tolist(), base.tolist())
    assert found.n.tolist() == [0, 6]
    assert found.mean[1] == pytest.approx(expected.mean)
    np.testing.assert_allclose(np.transpose(found.bounds())[1], expected.bounds())
