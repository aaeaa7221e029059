from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.accuracies import MARGIN, Difference, above_chance, difference, mean, median_time, verdicts
from benchmarks.presets import PRESETS

SIMULATIONS = 10_000


def test_the_interval_of_a_mean_is_student_s():
    found = mean([0.96, 0.97, 0.98])
    half = 4.302652729911275 * 0.01 / math.sqrt(3)  # t(0.975, 2 degrees of freedom)
    assert (found.estimate, found.n) == (pytest.approx(0.97), 3)
    assert (found.low, found.high) == (pytest.approx(0.97 - half), pytest.approx(0.97 + half))
    assert mean([0.9]).high == math.inf


def test_what_a_seed_does_to_both_cancels():
    seeds = np.array([0.91, 0.99, 0.95, 0.97])
    found = difference((seeds + 0.0001).tolist(), seeds.tolist())
    assert found.estimate == pytest.approx(0.0001)
    assert found.high - found.low < 1e-9
    assert found.equivalent


@pytest.mark.parametrize("shift", [-0.0016, -0.0008, 0.0, 0.0003, 0.0008, 0.0016])
def test_a_pair_is_judged_as_scipy_s_tests_judge_it(shift):
    theirs = np.array([0.9709, 0.9708, 0.9711, 0.9712])
    ours = theirs + shift + [0.0011, -0.0003, 0.0005, -0.0001]
    found = difference(ours, theirs)
    assert found.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    values = ours - theirs
    below = stats.ttest_1samp(values, MARGIN, alternative="less").pvalue
    above = stats.ttest_1samp(values, -MARGIN, alternative="greater").pvalue
    assert found.equivalent == bool(max(below, above) < 0.05)


@pytest.mark.parametrize(
    ("shift", "word"), [(0.0, "equivalent"), (0.0019, "equivalent"), (-0.0021, "different"), (0.0021, "different")]
)
def test_differences_that_are_all_the_same_have_a_verdict(shift, word):
    assert verdicts({"pair": difference([0.5 + shift] * 3, [0.5] * 3)}) == {"pair": word}


def test_verdicts():
    found = verdicts(
        {
            "equivalent": Difference(0.0001, -0.001, 0.001, 3, 0.5, True),
            "equivalent though sure": Difference(0.001, 0.0009, 0.0011, 3, 1e-9, True),
            "different": Difference(-0.01, -0.011, -0.009, 3, 1e-6, False),
            "wide": Difference(0.01, -0.02, 0.04, 3, 0.3, False),
            "too few": Difference(0.01, 0.01, 0.01, 2, 0.0, True),
        }
    )
    assert list(found.values()) == ["equivalent", "equivalent", "different", "not distinguished", ""]


def test_asking_many_pairs_makes_each_difference_harder():
    sure = Difference(0.01, 0.001, 0.019, 10, 0.04, False)
    assert verdicts({"a": sure})["a"] == "different"
    others = {str(n): Difference(0.0, -0.01, 0.01, 10, 0.9, False) for n in range(9)}
    assert verdicts({"a": sure, **others})["a"] == "not distinguished"


@pytest.mark.parametrize("seeds", [3, PRESETS["thorough"].seeds])
def test_a_pair_at_the_margin_is_called_equivalent_in_at_most_one_of_twenty(seeds):
    generator = np.random.default_rng(seeds)
    theirs = generator.normal(0.97, 0.002, (SIMULATIONS, seeds))  # what a seed does to all
    ours = theirs + generator.normal(MARGIN, 0.0003, (SIMULATIONS, seeds))
    found = [difference(a, b) for a, b in zip(ours, theirs, strict=True)]
    assert 0.04 < np.mean([each.equivalent for each in found]) < 0.06  # 5 %, for the other margin is out of reach
    assert 0.94 < np.mean([each.low <= MARGIN <= each.high for each in found]) < 0.96


def test_ten_seeds_are_enough_to_find_equal_arithmetic_equivalent():
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.001, (500, 2, PRESETS["thorough"].seeds))  # more than rounding does to mlp
    assert np.mean([difference(ours, theirs).equivalent for ours, theirs in 0.97 + noise]) > 0.95


def test_thorough_has_ten_seeds():
    assert PRESETS["thorough"].seeds == 10


def test_a_seed_that_never_reached_the_target_took_longer_than_any():
    assert median_time([3.0, 1.0, 2.0]) == 2
    assert median_time([3.0, 1.0, None]) == 3
    assert median_time([1.0, None]) is None
    assert median_time([]) is None


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("right", "above"),
    [(10, False), (12, False), (13, True), (20, True), (100, True), (0, False)],  # of 100 in each class: 10 +- 2.8
)
def test_what_can_be_learnt_is_told_from_chance(right, above):
    confusion = np.full((10, 10), (100 - right) / 9)
    np.fill_diagonal(confusion, right)
    assert above_chance(confusion.ravel().tolist()) == above


def test_saying_the_commonest_digit_is_no_more_than_chance():
    confusion = np.zeros((10, 10))
    confusion[:, 1] = [10, 910, *[10] * 8]
    assert not above_chance(confusion.ravel().tolist())
