"""How sure: confidence intervals over independent launches, verdicts on pairs, and when enough has been measured.

A launch is one sample, never a step or a chunk: pooled steps cover the truth in 56-59 % of nominal 95 % intervals.
Speeds are compared as ratios, so everything is computed on logarithms. Two frameworks measured in the same rounds are
compared by the paired t interval of their per-round log ratios, which covers 95 % at every n >= 5
(checks/selfcheck.py). Accuracies are compared as differences. Launches with one seed start from the same weights and
see the same batches in every framework, so they are pairs, and seeds are the independent samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats takes a second to import; its Student's t is these functions

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.str_]

CONFIDENCE = 0.95
EQUIVALENT = (0.97, 1.03)  # a ratio whose whole interval lies within is no difference that matters
FEWEST_ROUNDS = 6  # rounds below which an interval is shown and no verdict given
LOOKS = (6, 10, 15, 20)  # rounds after which a comparison may stop; looking after every round costs coverage


@dataclass(frozen=True)
class Interval:
    """An estimate from `n` launches with its 95 % bounds, which are 0 and infinity with fewer than two."""

    estimate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Means:
    """Means of many samples: arrays of one shape, or of none for a single sample; NaN where a value is not known.

    `std` counts n - 1. std / sqrt(n) is the mean's standard error; it has `freedom` degrees, n - 1 unless given.
    """

    mean: Floats
    std: Floats
    n: Floats
    freedom: Floats | None = None

    def half_widths(self, confidence: float = CONFIDENCE) -> Floats:
        """Return half the widths of the intervals by Student's t, infinite where a sample has fewer than two values."""
        half = special.stdtrit(self._degrees, (1 + confidence) / 2) * self.std / np.sqrt(self.n)
        return np.where(np.isnan(half), np.inf, half)

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the 95 % bounds of the means, NaN where a sample has fewer than two values."""
        half = self.half_widths()
        half = np.where(np.isinf(half), np.nan, half)
        return self.mean - half, self.mean + half

    def p_values(self) -> Floats:
        """Return the two-sided p values of Student's t tests that a mean is 0; 1 with fewer than two values."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * special.stdtr(self._degrees, -np.abs(self.mean) / (self.std / np.sqrt(self.n)))
        return np.where(np.isnan(p), 1.0, p)  # 0/0 where all values are 0

    @property
    def _degrees(self) -> Floats:
        """The degrees of freedom; 1 where nothing varies, where Welch's are 0/0 and any give the same result."""
        return np.where(self.std == 0, 1.0, self.n - 1 if self.freedom is None else self.freedom)


def sample(values: npt.ArrayLike) -> Means:
    """Return the means of samples, which are the lines of `values` along its last axis."""
    given = np.asarray(values, float)
    n = given.shape[-1]
    mean = given.mean(axis=-1)
    std = given.std(axis=-1, ddof=1) if n > 1 else np.full_like(mean, np.nan)
    return Means(mean, std, np.full_like(mean, n))


def speed(samples: Sequence[float]) -> Interval:
    """Return the geometric mean of launches' speeds and its t interval, on their logarithms and unadjusted."""
    middle = float(np.median(samples))  # taken out first, so that equal speeds have exactly their speed as mean
    estimate = middle * math.exp(np.log(np.asarray(samples, float) / middle).mean())
    logs = sample(np.log(samples))
    mean, half = float(logs.mean), float(logs.half_widths())
    return Interval(estimate, math.exp(mean - half), math.exp(mean + half), len(samples))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Means:
    """Return the mean log ratio ours/theirs over rounds; both in the rounds' order."""
    return sample(np.log(np.asarray(ours, float) / np.asarray(theirs, float)))


def speed_verdicts(ratios: Means) -> Words:
    """Return for each log ratio of one table: equivalent, faster, slower, not distinguished or "", as judged says."""
    half = ratios.half_widths()
    same = (np.exp(ratios.mean - half) >= EQUIVALENT[0]) & (np.exp(ratios.mean + half) <= EQUIVALENT[1])
    return _judged(ratios, FEWEST_ROUNDS, same, np.where(ratios.mean > 0, "faster", "slower"))


def _judged(found: Means, fewest: int, same: Flags, word: npt.ArrayLike) -> Words:
    """Return `equivalent` where `same`, `word` where a mean is surely not 0, else `not distinguished`.

    "" where a sample has fewer than `fewest` values or no interval. p values are adjusted by Holm over all the others:
    5 % of tables hold a wrong word.
    """
    enough = (found.n >= fewest) & np.isfinite(found.half_widths())
    p = np.ones(enough.shape)
    p[enough] = _holm(found.p_values()[enough])
    return np.where(enough, np.where(same, "equivalent", np.where(p < 1 - CONFIDENCE, word, "not distinguished")), "")


def _holm(p_values: npt.ArrayLike) -> Floats:
    """Return p values adjusted for having asked them all (Holm 1979, Scandinavian Journal of Statistics 6)."""
    given = np.asarray(p_values, float)
    order = np.argsort(given)
    found = np.empty_like(given)
    found[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(given), 0, -1) * given[order]))
    return found


def widest(speeds: Mapping[str, Mapping[int, float]]) -> float:
    """Return the largest half-width among a comparison's ratios to its fastest; of the speed itself if it is alone.

    `speeds` maps a name to its speed by round; rounds that one of a pair lacks do not count for the pair.
    """
    known = {name: rounds for name, rounds in speeds.items() if rounds}
    if len(known) < 2:
        return max((float(sample(np.log([*r.values()])).half_widths()) for r in known.values()), default=math.inf)
    best = max(known, key=lambda name: float(np.mean(np.log(list(known[name].values())))))
    widths = []
    for name, rounds in known.items():
        if name != best:
            common = sorted(rounds.keys() & known[best].keys())
            pair = ([rounds[n] for n in common], [known[best][n] for n in common])
            widths.append(float(paired(*pair).half_widths()) if common else math.inf)
    return max(widths)


MARGIN = 0.002  # 0.2 points: little more than the binomial standard error at 98 % on 10,000 images, 0.14
FEWEST_SEEDS = 3  # seeds below which an interval is shown and no verdict given


def accuracy_verdicts(differences: Means) -> Words:
    """Return for each mean difference of one table: equivalent, different, not distinguished or "" (intervals.judged).

    Equivalent by two one-sided t tests at 5 % (Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15): both
    reject when the 90 % interval lies within MARGIN. A difference that is sure and small is equivalent.
    """
    reach = np.abs(differences.mean) + differences.half_widths(2 * CONFIDENCE - 1)
    return _judged(differences, FEWEST_SEEDS, reach < MARGIN, "different")


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
    [median] = median_times(np.array(times, float), np.zeros(len(times), int), 1)
    return None if np.isnan(median) else float(median)


def median_times(times: Floats, cells: npt.NDArray[np.int64], size: int) -> Floats:
    """Return the same of each of `size` cells at once, NaN for None: `cells` is the number of each time's cell."""
    order = np.lexsort((times, cells))  # NaN comes last within a cell, as if longer than any
    counts = np.bincount(cells, minlength=size)
    some, begin = counts > 0, counts.cumsum() - counts
    found = np.full(size, np.nan)
    found[some] = sum(times[order[(begin + (counts - n) // 2)[some]]] for n in (1, 0)) / 2
    return found
