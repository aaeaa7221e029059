from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.plan.cells import PRESETS
from benchmarks.stats import (
    CONFIDENCE,
    MARGIN,
    Means,
    above_chance,
    judged_accuracies,
    median_time,
    sample,
    simultaneous,
)

SIMULATIONS = 10_000


def judged(ours, theirs):
    """Return the verdict on one pair's accuracies, which are in the seeds' order."""
    return str(judged_accuracies(sample(np.asarray(ours) - theirs), CONFIDENCE).verdict)


def within(mean, half_width, n=10):
    """Return mean differences with these half-widths of their 95 % intervals."""
    std = np.asarray(half_width) / special.stdtrit(n - 1, 0.975) * np.sqrt(n)
    return Means(np.asarray(mean, float), std, np.full(len(mean), n))


def test_what_a_seed_does_to_both_cancels():
    seeds = np.array([0.91, 0.99, 0.95, 0.97])
    assert judged(seeds + 0.0001, seeds) == "equivalent"


@pytest.mark.parametrize("shift", [-0.0016, -0.0008, 0.0, 0.0003, 0.0008, 0.0016])
def test_a_pair_is_judged_as_scipy_s_tests_judge_it(shift):
    theirs = np.array([0.9709, 0.9708, 0.9711, 0.9712])
    ours = theirs + shift + [0.0011, -0.0003, 0.0005, -0.0001]
    values = ours - theirs
    below = stats.ttest_1samp(values, MARGIN, alternative="less").pvalue
    above = stats.ttest_1samp(values, -MARGIN, alternative="greater").pvalue
    apart = "different" if stats.ttest_rel(ours, theirs).pvalue < 0.05 else "not distinguished"
    assert judged(ours, theirs) == ("equivalent" if max(below, above) < 0.025 else apart)


@pytest.mark.parametrize(
    ("shift", "word"), [(0.0, "equivalent"), (0.0019, "equivalent"), (-0.0021, "different"), (0.0021, "different")]
)
def test_differences_that_are_all_the_same_have_a_verdict(shift, word):
    assert judged([0.5 + shift] * 3, [0.5] * 3) == word


def verdicts(found):
    return judged_accuracies(found, simultaneous(found)).verdict.tolist()


def test_verdicts():
    found = verdicts(within([0.0001, 0.001, -0.01, 0.01], [0.001, 0.0001, 0.001, 0.03]))
    assert found == ["equivalent", "equivalent", "different", "not distinguished"]
    assert verdicts(within([0.01], [0.0001], n=3)) == ["different"]
    assert verdicts(within([0.01], [0.0001], n=2)) == [""]


def test_asking_many_pairs_makes_each_difference_harder():
    assert verdicts(within([0.01], [0.009]))[0] == "different"
    assert verdicts(within([0.01, *[0.0] * 9], [0.009, *[0.01] * 9]))[0] == "not distinguished"


@pytest.mark.parametrize("seeds", [3, PRESETS["thorough"].seeds])
def test_a_pair_at_the_margin_is_called_equivalent_in_at_most_one_of_forty(seeds):
    generator = np.random.default_rng(seeds)
    theirs = generator.normal(0.97, 0.002, (SIMULATIONS, seeds))  # what a seed does to all
    ours = theirs + generator.normal(MARGIN, 0.0003, (SIMULATIONS, seeds))
    found = sample(ours - theirs)
    each = judged_accuracies(found, CONFIDENCE)
    assert 0.02 < np.mean(each.verdict == "equivalent") < 0.03  # 2.5 %, for the other margin is out of reach
    assert 0.94 < np.mean((each.low <= MARGIN) & (each.high >= MARGIN)) < 0.96


def test_ten_seeds_are_enough_to_find_equal_arithmetic_equivalent():
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.001, (500, 2, PRESETS["thorough"].seeds))  # more than rounding does to mlp
    found = judged_accuracies(sample(noise[:, 0] - noise[:, 1]), CONFIDENCE)
    assert np.mean(found.verdict == "equivalent") > 0.93


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


def test_any_number_of_classes_has_a_chance():
    assert above_chance([90, 10, 20, 80])
    assert not above_chance([60, 40, 50, 50])


def test_saying_the_commonest_digit_is_no_more_than_chance():
    confusion = np.zeros((10, 10))
    confusion[:, 1] = [10, 910, *[10] * 8]
    assert not above_chance(confusion.ravel().tolist())
