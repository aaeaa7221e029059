"""Image by image: what counts as read alike, as a tie, as a disagreement."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.models.evaluate import _gaps, agreement
from benchmarks.models.remote import largest_deviation

LABELS = np.array([1, 2, 0])
LOGITS = np.array([[0.0, 2.0, 1.0], [0.0, 1.0, 1.5], [1.0, 0.0, -1.0]], np.float32)


def changed(index, values):
    """Return the logits with those of one image replaced."""
    return np.vstack([LOGITS[:index], np.float32([values]), LOGITS[index + 1 :]])


def compared(*others, labels=LABELS):
    return agreement(dict(zip("abc", (LOGITS, *others), strict=False)), labels, "cross_entropy")


def test_small_deviations_are_no_difference():
    found = compared(LOGITS + np.float32(1e-5))
    assert found.agreed
    assert found.differences == []
    assert found.correct == {"a": 3, "b": 3}
    assert found.deviation == {"a": 0.0, "b": pytest.approx(1e-5, rel=0.1)}


@pytest.mark.parametrize(("gap", "tie"), [(5e-5, True), (2e-4, False)])
def test_another_answer_is_a_tie_only_where_no_framework_is_surer(gap, tie):
    base, other = changed(1, [0.0, 1.0, 1.0 + 2e-5]), changed(1, [0.0, 1.0 + gap, 1.0])
    found = agreement({"a": base, "b": other}, LABELS, "cross_entropy")
    [difference] = found.differences
    assert (difference.index, difference.label, difference.read_as) == (1, 2, {"a": 2, "b": 1})
    assert difference.gap == pytest.approx(gap, rel=0.01)
    assert difference.tie == found.agreed == tie
    assert found.correct == {"a": 3, "b": 2}


def test_who_alone_is_sure_of_another_answer_disagrees():
    found = compared(LOGITS, changed(0, [5.0, 0.0, 0.0]))
    assert not found.agreed
    assert [difference.index for difference in found.differences] == [0]
    assert found.differences[0].read_as == {"a": 1, "b": 1, "c": 0}


def test_a_regression_is_read_by_rounding_and_ties_halfway():
    outputs = {"a": np.float32([[2.49999], [7.2]]), "b": np.float32([[2.50001], [7.2]])}
    found = agreement(outputs, np.array([2, 7]), "mean_squared_error")
    assert [(d.index, d.read_as, d.tie) for d in found.differences] == [(0, {"a": 2, "b": 3}, True)]
    assert _gaps(np.float64([[2.5], [3.0], [2.75]]), "mean_squared_error").tolist() == [0.0, 1.0, 0.5]


def test_what_is_missing_or_not_finite_is_infinitely_far():
    assert largest_deviation(LOGITS[:2], LOGITS) == float("inf")
    assert largest_deviation(changed(0, [np.nan, 0, 0]), LOGITS) == float("inf")
    assert largest_deviation(changed(0, [0.0, 2.25, 1.0]), LOGITS) == 0.25
