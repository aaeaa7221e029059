from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from benchmarks.stats import (
    CONFIDENCE,
    EQUIVALENT,
    POWER,
    Means,
    bound,
    findable,
    judged_ratios,
    paired,
    power,
    sample,
    simultaneous,
    speed,
    widest,
)


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


@pytest.mark.parametrize("speeds", [[100.0], [100.0, 100.0]])
def test_fewer_than_three_launches_have_no_interval(speeds):
    found = speed(speeds)
    assert (found.estimate, found.low, found.high) == (100, 0, math.inf)
    few = sample(np.log(speeds))
    assert few.half_widths() == math.inf
    assert np.isnan(few.bounds()).all()
    assert (judged_ratios(few, CONFIDENCE).verdict, speed([*speeds, 100.0, 100.0]).low) == ("", pytest.approx(100))


def test_what_drifts_for_both_cancels_in_a_pair():
    drift = np.array([1.0, 3.0, 0.2, 7.0, 1.5, 0.9])
    found = paired(200 * drift, 100 * drift)
    assert found.mean == pytest.approx(math.log(2))
    assert found.half_widths() < 1e-9


@given(st.lists(st.floats(0.5, 2.0), min_size=3, max_size=20), st.floats(0.1, 10))
def test_a_ratio_turned_over_is_its_inverse(logs, scale):
    theirs = np.linspace(1, 2, len(logs))
    ours = theirs * np.array(logs) * scale
    there, back = paired(ours, theirs), paired(theirs, ours)
    assert there.mean == pytest.approx(-back.mean, abs=1e-12)
    assert there.bounds()[0] == pytest.approx(-back.bounds()[1], abs=1e-9)


def test_many_samples_at_once_are_judged_as_scipy_judges_each():
    samples = np.random.default_rng(0).normal(0.1, 1, (50, 7))
    found = sample(samples)
    each = stats.ttest_1samp(samples, 0, axis=1)
    for confidence in (0.95, 0.9):
        interval = each.confidence_interval(confidence)
        assert found.half_widths(confidence) == pytest.approx((interval.high - interval.low) / 2)
    np.testing.assert_allclose(found.bounds(), each.confidence_interval(0.95))


@pytest.mark.parametrize("rounds", [6, 20])
@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_what_would_be_found_is_found_nine_times_in_ten(rounds, noise):
    found = Means(np.array([0.5, 0.0]), np.array([noise, 0.0]), np.array([rounds, rounds]))
    smallest, none = findable(found, 0.99)
    assert power(-math.expm1(-smallest), noise, rounds, 0.99) == pytest.approx(POWER, abs=1e-6)
    assert none == 0
    assert np.isnan(findable(Means(np.zeros(1), np.ones(1), np.array([2])), 0.99))


def test_what_does_not_vary_is_sure_by_any_degrees_of_freedom():
    nothing = np.full(3, np.nan)
    found = Means(np.array([0.0, 1.0, -1.0]), np.zeros(3), np.full(3, 6.0), nothing)  # Welch's freedom is 0/0
    assert found.half_widths().tolist() == [0, 0, 0]
    assert Means(np.ones(3), nothing, np.full(3, 6.0)).half_widths().tolist() == [math.inf] * 3


def verdicts(found):
    """Return the verdicts of a table whose references were fixed beforehand."""
    return judged_ratios(found, simultaneous(found)).verdict.tolist()


def test_verdicts():
    table = ratios((1.001, 0.01), (1.01, 0.001), (1.5, 0.1), (0.5, 0.1), (1.2, 0.5), (np.nan, np.nan))
    assert judged_ratios(table, CONFIDENCE).verdict.tolist() == [
        *("equivalent", "equivalent", "faster", "slower", "not distinguished", "")
    ]
    assert verdicts(ratios((0.98, 0.03), (1.02, 0.03))) == ["not distinguished"] * 2  # one bound is outside
    assert verdicts(ratios((1.5, 0.001), n=5)) == [""]
    assert verdicts(sample([[0.5, 0.51, 0.49, 0.5, 0.52, 0.48]])) == ["faster"]


def test_asking_many_pairs_makes_each_verdict_harder():
    assert verdicts(ratios((1.1, 0.09)))[0] == "faster"
    assert verdicts(ratios((1.1, 0.09), *[(1.0, 0.5)] * 9))[0] == "not distinguished"


def test_pairs_without_an_interval_make_no_other_s_wider():
    few = ratios((1.1, 0.09), *[(1.0, 0.5)] * 9)
    few.n[1:] = 2
    assert verdicts(few) == ["faster", *[""] * 9]


def test_references_that_were_fixed_have_sidak_s_intervals():
    assert simultaneous(ratios((1.0, 0.1))) == 0.95
    assert simultaneous(ratios(*[(1.0, 0.1)] * 5)) == pytest.approx(0.95**0.2)


def compared(arms):
    """Return the paired ratios of arms (arm, round) of log speeds to the best of them, without its own."""
    best = arms.mean(axis=1).argmax()
    return best, sample(np.delete(arms, best, axis=0) - arms[best])


# Equal arms are the hardest case; a leader, unequal noise and steps are easier. 2.5 standard errors below 95 %.
@pytest.mark.parametrize("comparisons", [1, 3])
@pytest.mark.parametrize("shape", ["equal", "a leader", "steps", "a quiet arm", "a loud arm", "all differ"])
def test_all_intervals_of_a_table_hold_the_truth_in_95_percent_of_tables(shape, comparisons):
    generator = np.random.default_rng(1)
    truth = {"a leader": np.array([1.0, 0, 0, 0]), "steps": np.arange(4) * 0.5}.get(shape, np.zeros(4))
    noise = {
        "a quiet arm": [0.2, 1, 1, 1], "a loud arm": [5, 1, 1, 1], "all differ": [0.2, 0.4, 0.8, 1.6]
    }.get(shape, [1, 1, 1, 1])  # fmt: skip
    sharing, tables, wrong = np.repeat(np.arange(comparisons), 3), 1500, 0
    for _ in range(tables):
        found = []
        for _ in range(comparisons):
            best, pairs = compared(generator.normal(truth[:, None], np.array(noise)[:, None], (4, 6)))
            found.append((pairs, np.delete(truth, best) - truth[best]))
        table = Means(*(np.concatenate([getattr(pairs, name) for pairs, _ in found]) for name in ("mean", "std", "n")))
        low, high = table.bounds(simultaneous(table, sharing))
        true = np.concatenate([differences for _, differences in found])
        wrong += bool(((low > true) | (high < true)).any())
    assert wrong / tables < 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / tables)
    if shape == "equal":
        assert wrong / tables > 0.05 - 2.5 * math.sqrt(0.05 * 0.95 / tables)  # and is no wider than it must be


def test_who_was_chosen_because_it_is_the_best_costs_more_than_one_that_was_fixed():
    table = ratios(*[(1.0, 0.1)] * 5)
    assert 0.9935 < simultaneous(table, np.zeros(5)) < 0.996  # all 15 pairs by Sidak: 0.9966
    assert simultaneous(table, np.zeros(5)) > simultaneous(table) > 0.989
    assert simultaneous(ratios((1.0, 0.1)), [0]) == pytest.approx(0.95, abs=1e-9)  # of two, neither
    assert simultaneous(ratios((1.0, 0.1), (1.0, 0.1)), [0, 7]) == pytest.approx(0.95**0.5, abs=1e-9)


def test_a_thousand_comparisons_are_judged_without_a_million_draws():
    many = ratios(*[(1.0, 0.1)] * 3000)
    found = simultaneous(many, np.repeat(np.arange(1000), 3))
    assert 0.05 / 6000 < 1 - found < 0.05 / 3000  # between all pairs and those to the best, by Bonferroni


TABLES = st.lists(
    st.tuples(st.floats(-0.2, 0.2), st.floats(0, 0.1) | st.just(0.0), st.integers(1, 25), st.integers(0, 3)),
    min_size=1, max_size=12,
)  # fmt: skip


@given(TABLES, st.booleans())
def test_verdict_and_interval_never_contradict_each_other(lines, chosen):
    mean, std, n, comparison = np.array(lines).T
    table = Means(mean, std, n)
    judged = judged_ratios(table, simultaneous(table, comparison.astype(int) if chosen else None))
    for low, high, verdict, rounds in zip(judged.low, judged.high, judged.verdict, n, strict=True):
        check(low, high, str(verdict), rounds)
        if rounds >= 3:
            check(float(bound(low)), float(bound(high)), str(verdict), rounds)  # as printed
            check(float(bound(low, 2)), float(bound(high, 2)), str(verdict), rounds)


def check(low, high, verdict, rounds):
    """Fail where an interval says anything else than its verdict."""
    assert np.isnan(low) == (rounds < 3)
    assert (verdict == "") == (rounds < 6)
    within = low >= EQUIVALENT[0] and high <= EQUIVALENT[1]
    assert (verdict == "equivalent") == (within and rounds >= 6)
    assert verdict != "not distinguished" or low <= 1 <= high
    assert verdict != "faster" or low > 1
    assert verdict != "slower" or high < 1


@given(st.floats(0.9, 1.1), st.floats(1e-7, 1e-3))
def test_a_bound_near_where_a_verdict_changes_shows_the_digits_that_decide(mark, off):
    for value in (*(m + off for m in (*EQUIVALENT, 1)), *(m - off for m in (*EQUIVALENT, 1)), mark):
        value = round(value, 9)
        assert [float(bound(value)) < m for m in (*EQUIVALENT, 1)] == [value < m for m in (*EQUIVALENT, 1)]
        assert float(bound(value)) == pytest.approx(value, abs=0.0005001)
    assert (bound(0.98765), bound(0.9996), bound(1.0), bound(0.96999)) == ("0.988", "0.9996", "1.000", "0.96999")


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


def test_what_stops_a_comparison_is_the_interval_that_its_table_shows():
    logs = np.random.default_rng(3).normal(0, 0.02, (4, 10)) + np.array([0.5, 0.0, 0.1, 0.2])[:, None]
    _, pairs = compared(logs)
    judged = judged_ratios(pairs, simultaneous(pairs, np.zeros(3)))
    arms = {str(arm): dict(enumerate(np.exp(line))) for arm, line in enumerate(logs)}
    assert widest(arms) == pytest.approx(np.log(judged.high / judged.low).max() / 2, abs=1e-6)
    assert widest(arms) > 1.2 * pairs.half_widths().max()  # each by itself would be narrower
