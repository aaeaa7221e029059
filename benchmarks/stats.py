"""How sure: intervals over independent launches, verdicts that follow from them, and when enough has been measured.

A launch is one sample, never a step or a chunk: pooled steps cover the truth in 56-59 % of nominal 95 % intervals.
Speeds are compared as ratios, so everything is computed on logarithms. Two frameworks measured in the same rounds are
compared by the paired t interval of their per-round log ratios, which covers 95 % at every n >= 5
(checks/selfcheck.py). Accuracies are compared as differences. Launches with one seed start from the same weights and
see the same batches in every framework, so they are pairs, and seeds are the independent samples.

A table's intervals are simultaneous: in 95 % of tables all of them hold the truth. A verdict is read off its interval,
so that the two cannot contradict each other.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats takes a second to import; its Student's t is these functions

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]

Numbers = npt.NDArray[np.int64]

CONFIDENCE = 0.95
FEWEST = 3  # launches below which there is no interval: with two, one is up to 13 times as wide as the difference
EQUIVALENT = (0.97, 1.03)  # a ratio whose whole interval lies within is no difference that matters
FEWEST_ROUNDS = 6  # rounds below which an interval is shown and no verdict given
LOOKS = (6, 10, 15, 20)  # rounds after which a comparison may stop; looking after every round costs coverage


MARKS = (EQUIVALENT[0], 1.0, EQUIVALENT[1])  # where a verdict changes


def bound(value: float, digits: int = 3) -> str:
    """Return a ratio as text, with more digits where rounding would take it across one of MARKS, or onto it."""
    texts = (f"{value:.{more}f}" for more in range(digits, 10))
    return next((text for text in texts if _sides(float(text)) == _sides(value)), f"{value:.9f}")


def _sides(value: float) -> list[int]:
    """Return on which side of each of MARKS a ratio is."""
    return [int(value > mark) - int(value < mark) for mark in MARKS]


@dataclass(frozen=True)
class Interval:
    """An estimate from `n` launches with its 95 % bounds, which are 0 and infinity below FEWEST."""

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
        """Return half the widths of the intervals by Student's t, infinite for a sample of fewer than FEWEST values."""
        half = special.stdtrit(self.degrees, (1 + confidence) / 2) * self.std / np.sqrt(self.n)
        return np.where(np.isnan(half) | (self.n < FEWEST), np.inf, half)

    def bounds(self, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
        """Return the bounds of the means, NaN for a sample of fewer than FEWEST values."""
        half = self.half_widths(confidence)
        half = np.where(np.isinf(half), np.nan, half)
        return self.mean - half, self.mean + half

    @property
    def degrees(self) -> Floats:
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
    """Return the geometric mean of launches' speeds and its own 95 % t interval, on their logarithms."""
    middle = float(np.median(samples))  # taken out first, so that equal speeds have exactly their speed as mean
    estimate = middle * math.exp(np.log(np.asarray(samples, float) / middle).mean())
    logs = sample(np.log(samples))
    mean, half = float(logs.mean), float(logs.half_widths())
    return Interval(estimate, math.exp(mean - half), math.exp(mean + half), len(samples))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Means:
    """Return the mean log ratio ours/theirs over rounds; both in the rounds' order."""
    return sample(np.log(np.asarray(ours, float) / np.asarray(theirs, float)))


@dataclass(frozen=True)
class Judged:
    """The intervals of a table, NaN where a sample has none, and the verdict that each allows, "" where it is none."""

    low: Floats
    high: Floats
    verdict: Words


def judged_ratios(ratios: Means, confidence: float) -> Judged:
    """Return log ratios' intervals as ratios: equivalent, faster, slower, not distinguished, "" below FEWEST_ROUNDS."""
    low, high = np.round(np.exp(ratios.bounds(confidence)), 9).astype(np.float64)  # beyond are errors of rounding
    return _judged(ratios, FEWEST_ROUNDS, (low, high), 1.0, EQUIVALENT, ("slower", "faster"))


MARGIN = 0.002  # 0.2 points: little more than the binomial standard error at 98 % on 10,000 images, 0.14


def judged_accuracies(differences: Means, confidence: float) -> Judged:
    """Return differences' intervals: equivalent, different, not distinguished, "" below FEWEST seeds."""
    words = ("different", "different")
    return _judged(differences, FEWEST, differences.bounds(confidence), 0.0, (-MARGIN, MARGIN), words)


def _judged(
    found: Means,
    fewest: int,
    bounds: tuple[Floats, Floats],
    equal: float,
    margins: tuple[float, float],
    words: tuple[str, str],
) -> Judged:
    """Return what intervals say: within the margins, else wholly below or above what is equal, else nothing."""
    low, high = bounds
    cases = [
        (found.n < fewest) | np.isnan(low) | np.isnan(high),
        (low >= margins[0]) & (high <= margins[1]),
        high < equal,
        low > equal,
    ]
    return Judged(low, high, np.select(cases, ["", "equivalent", *words], "not distinguished"))


def simultaneous(found: Means, chosen: npt.ArrayLike | None = None) -> float:
    """Return the confidence that each interval of a table needs, so that all hold the truth in 95 % of tables.

    Without `chosen`, what a mean is compared with was fixed beforehand: Sidak's 0.95 ^ (1 / m) for the m intervals
    there are (1967, J. American Statistical Association 62). That is exact where they are independent, as those of two
    sets are, and where a shared reference hardly varies, and a little wide where it varies as much as the others.
    `chosen` numbers for each mean the comparison whose best was taken as reference because it was the best, which makes
    all others look behind. There the smallest p value of a comparison is simulated (_smallest); comparisons are
    independent of each other.
    """
    known = np.isfinite(found.half_widths())
    if chosen is None:
        return float(CONFIDENCE ** (1 / max(1, known.sum())))
    shapes: Counter[tuple[int, int]] = Counter()
    numbers, rounds = np.asarray(chosen)[known], found.n[known]
    for group in np.split(rounds[np.argsort(numbers)], np.cumsum(np.unique(numbers, return_counts=True)[1]))[:-1]:
        shapes[len(group), min(int(group.min()), LOOKS[-1])] += 1
    low, high = 0.0, 1 - CONFIDENCE
    for _ in range(50):
        alpha = (low + high) / 2
        all_hold = math.prod((1 - _missed(*shape, alpha)) ** count for shape, count in shapes.items())
        low, high = (alpha, high) if all_hold >= CONFIDENCE else (low, alpha)
    return 1 - high


DRAWS = 40_000  # the share of tables with a wrong interval is then 5 % to within 0.1
RESOLVED = 100  # draws; a p value that fewer fall below is not told by them


def _missed(ratios: int, rounds: int, alpha: float) -> float:
    """Return in what share of comparisons of equal arms an interval of confidence 1 - alpha leaves out the truth."""
    if ratios == 1:
        return alpha  # of two arms the t is the same, whichever is the better
    smallest = _smallest(ratios, rounds)
    told = max(alpha, float(smallest[RESOLVED]))  # below, the share is proportional to alpha
    return float(np.searchsorted(smallest, told) / DRAWS * alpha / told)


@functools.cache
def _smallest(ratios: int, rounds: int) -> Floats:
    """Return in order the smallest p value among a comparison's ratios to its best, of DRAWS comparisons of equal arms.

    Arms that vary alike are the hardest case: where one varies 3 times as much as the others, or they vary by a factor
    of 4, 3.4 to 4.9 % of comparisons hold a wrong interval (3 to 10 arms, 6 to 20 rounds). The seed is fixed, so that
    the same rows always give the same table.
    """
    generator = np.random.default_rng(0)
    found = np.empty(DRAWS)
    step = max(1, 2_000_000 // ((ratios + 1) * rounds))
    for first in range(0, DRAWS, step):
        arms = generator.standard_normal((min(step, DRAWS - first), ratios + 1, rounds))
        best = arms.mean(axis=2).argmax(axis=1)[:, None, None]
        pairs = sample(arms - np.take_along_axis(arms, best, axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(pairs.mean) / (pairs.std / np.sqrt(rounds))
        found[first : first + step] = 2 * special.stdtr(rounds - 1, -np.nanmax(t, axis=1))  # 0/0 is the best itself
    return np.sort(found)


def power(difference: float, noise: float, rounds: int, confidence: float) -> float:
    """Return how likely an interval of so many rounds leaves out 1 where an arm is slower by this share.

    `noise` is the standard deviation of a round's log ratio: the noncentral t distribution.
    """
    reach = special.stdtrit(rounds - 1, (1 + confidence) / 2)
    shift = -math.log1p(-difference) / noise * math.sqrt(rounds)
    found = 1 - special.nctdtr(rounds - 1, shift, reach) + special.nctdtr(rounds - 1, shift, -reach)
    if math.isnan(found):  # scipy gives up on large shifts; there the normal one is good to 0.3 points
        found = special.ndtr((shift - reach) / math.sqrt(1 + reach**2 / (2 * (rounds - 1))))
    return float(found)


POWER = 0.9  # with which a difference that was asked for is found


def findable(found: Means, confidence: float) -> Floats:
    """Return the difference that intervals of this confidence leave 0 out for with POWER; NaN below FEWEST values."""
    reach = special.stdtrit(found.degrees, (1 + confidence) / 2)
    errors = found.std / np.sqrt(found.n)
    return np.where(found.n < FEWEST, np.nan, shift_found(found.degrees, reach) * errors)


def shift_found(freedom: Any, reach: Any) -> Floats:
    """Return how many standard errors a mean must be off for its t to be beyond `reach` with POWER: noncentral t."""
    return np.asarray(special.nctdtrinc(freedom, 1 - POWER, reach), np.float64)


def rounds_needed(difference: float, noise: float, comparisons: Sequence[int], most: int) -> int | None:
    """Return the fewest rounds after which a slow-down is found with POWER; None where `most` are too few.

    `comparisons` are the numbers of arms of each comparison of the table. FEWEST_ROUNDS at least.
    """
    sharing = np.repeat(np.arange(len(comparisons)), np.maximum(1, np.array(comparisons) - 1))

    def enough(rounds: int) -> bool:
        table = Means(np.zeros(len(sharing)), np.ones(len(sharing)), np.full(len(sharing), float(rounds)))
        return power(difference, noise, rounds, simultaneous(table, sharing)) >= POWER

    found = bisect.bisect_left(range(FEWEST_ROUNDS, most + 1), True, key=enough) + FEWEST_ROUNDS
    return found if found <= most else None


def pair_noise(comparisons: Iterable[Iterable[Mapping[int, float]]]) -> tuple[float, int] | None:
    """Return the median standard deviation of a round's log ratio to the fastest arm, and of how many pairs it is.

    A comparison has the speeds of each arm by round. Pairs with fewer than FEWEST common rounds do not count; None
    where there is no other.
    """
    found = []
    for arms in map(list, comparisons):
        best = max(arms, key=lambda rounds: float(np.mean(np.log(list(rounds.values())))), default={})
        for rounds in arms:
            common = sorted(rounds.keys() & best.keys())
            if rounds is not best and len(common) >= FEWEST:
                found.append(float(paired([rounds[n] for n in common], [best[n] for n in common]).std))
    return (float(np.median(found)), len(found)) if found else None


def widest(speeds: Mapping[str, Mapping[int, float]]) -> float:
    """Return the largest half-width among a comparison's ratios to its fastest; of the speed itself if it is alone.

    `speeds` maps a name to its speed by round; rounds that one of a pair lacks do not count for the pair. The intervals
    are simultaneous over this comparison.
    """
    known = {name: rounds for name, rounds in speeds.items() if rounds}
    if len(known) < 2:
        return max((float(sample(np.log([*r.values()])).half_widths()) for r in known.values()), default=math.inf)
    best = known.pop(max(known, key=lambda name: float(np.mean(np.log(list(known[name].values()))))))
    if not all(common := [sorted(rounds.keys() & best.keys()) for rounds in known.values()]):
        return math.inf
    pairs = [
        paired([rounds[n] for n in shared], [best[n] for n in shared])
        for rounds, shared in zip(known.values(), common, strict=True)
    ]
    found = Means(*(np.array([getattr(pair, name) for pair in pairs]) for name in ("mean", "std", "n")))
    return float(found.half_widths(simultaneous(found, np.zeros(len(pairs)))).max())


def above_chance(confusion: Sequence[int]) -> bool:
    """Return whether more test images were read right than by always saying the commonest class, noise apart.

    `confusion` holds counts by label (K rows) and class read (K columns), as in a row; noise is three binomial
    standard errors.
    """
    classes = math.isqrt(len(confusion))
    counts = np.asarray(confusion, float).reshape(classes, classes)
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
