"""Accuracies after training, seed by seed: how far two frameworks are apart, and whether that matters.

Launches with one seed start from the same weights and see the same batches in the same order in every framework, so
they are pairs; seeds are the independent samples. Accuracies are compared as differences, where speeds are ratios.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.intervals import CONFIDENCE, Means, Words, judged

MARGIN = 0.002  # 0.2 points: little more than the binomial standard error at 98 % on 10,000 images, 0.14
FEWEST = 3  # seeds below which an interval is shown and no verdict given


def verdicts(differences: Means) -> Words:
    """Return for each mean difference of one table: equivalent, different, not distinguished or "" (intervals.judged).

    Equivalent by two one-sided t tests at 5 % (Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15): both
    reject when the 90 % interval lies within MARGIN. A difference that is sure and small is equivalent.
    """
    reach = np.abs(differences.mean) + differences.half_widths(2 * CONFIDENCE - 1)
    return judged(differences, FEWEST, reach < MARGIN, "different")


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
