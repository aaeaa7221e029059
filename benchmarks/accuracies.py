"""Accuracies after training, seed by seed: how far two frameworks are apart, and whether that matters.

Launches with one seed start from the same weights and see the same batches in the same order in every framework, so
they are pairs; seeds are the independent samples. Accuracies are compared as differences, where speeds are ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.intervals import CONFIDENCE, holm, p_value, t_half_width

MARGIN = 0.002  # 0.2 points: little more than the binomial standard error at 98 % on 10,000 images, 0.14
FEWEST = 3  # seeds below which an interval is shown and no verdict given


@dataclass(frozen=True)
class Mean:
    """A mean over `n` seeds with its 95 % t interval, which is infinite with fewer than two."""

    estimate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference(Mean):
    """A mean difference with the p value of `no difference`, and whether it is shown to be within MARGIN."""

    p: float
    equivalent: bool


def mean(accuracies: Sequence[float]) -> Mean:
    """Return the mean of at least one accuracy with its interval, not adjusted and not cut off at 1."""
    values = np.asarray(accuracies, float)
    estimate, half = float(values.mean()), t_half_width(values)
    return Mean(estimate, estimate - half, estimate + half, len(values))


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Return the mean of ours - theirs with its paired interval; both in the seeds' order, at least one.

    Equivalent by two one-sided t tests at 5 % (Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15): both
    reject when the 90 % interval lies within MARGIN. Differences that are all the same have intervals of no width.
    """
    values = np.asarray(ours, float) - np.asarray(theirs, float)
    found = mean(values.tolist())
    reach = abs(found.estimate) + t_half_width(values, 2 * CONFIDENCE - 1)
    return Difference(found.estimate, found.low, found.high, found.n, p_value(values), reach < MARGIN)


def verdicts(differences: Mapping[str, Difference]) -> dict[str, str]:
    """Return for each pair of one table: equivalent, different, not distinguished, or nothing below FEWEST seeds.

    Different: not equivalent, and the two-sided t test rejects at 5 %, adjusted by Holm over all pairs that get a
    verdict. A difference that is sure and small is equivalent.
    """
    judged = {name: found for name, found in differences.items() if found.n >= FEWEST}
    adjusted = holm({name: found.p for name, found in judged.items()})
    words = dict.fromkeys(differences, "")
    for name, found in judged.items():
        different = "different" if adjusted[name] < 1 - CONFIDENCE else "not distinguished"
        words[name] = "equivalent" if found.equivalent else different
    return words


def above_chance(confusion: Sequence[int]) -> bool:
    """Return whether more test images were read right than by always saying the commonest digit, noise apart.

    `confusion` holds counts by label (10 rows) and digit read (10 columns), as in a row; noise is three binomial
    standard errors.
    """
    counts = np.asarray(confusion, float).reshape(10, 10)
    images = counts.sum()
    commonest = counts.sum(axis=1).max() / images
    return bool(np.trace(counts) / images > commonest + 3 * math.sqrt(commonest * (1 - commonest) / images))


def median_time(times: Sequence[float | None]) -> float | None:
    """Return the median seconds to a target; None is a seed that never reached it and counts as longer than any.

    None unless more than half of the seeds reached it: leaving out those that did not would flatter.
    """
    median = float(np.median([math.inf if time is None else time for time in times])) if times else math.inf
    return median if math.isfinite(median) else None
