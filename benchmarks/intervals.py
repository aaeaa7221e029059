"""How sure: confidence intervals over independent launches, verdicts on pairs, and when enough has been measured.

A launch is one sample, never a step or a chunk: pooled steps cover the truth in 56-59 % of nominal 95 % intervals.
Speeds are compared as ratios, so everything is computed on logarithms. Two frameworks measured in the same rounds are
compared by the paired t interval of their per-round log ratios, which covers 95 % at every n >= 5 (selfcheck.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special  # scipy.stats takes a second to import; its Student's t is these functions

Logs = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
EQUIVALENT = (0.97, 1.03)  # a ratio whose whole interval lies within is no difference that matters
FEWEST = 6  # rounds below which an interval is shown and no verdict given
LOOKS = (6, 10, 15, 20)  # rounds after which a comparison may stop; looking after every round costs coverage


@dataclass(frozen=True)
class Interval:
    """An estimate from `n` launches with its 95 % bounds, which are 0 and infinity with fewer than two."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Return half of the interval's width on the log scale, about the relative error; infinite without bounds."""
        return math.inf if self.low == 0 else math.log(self.high / self.low) / 2


@dataclass(frozen=True)
class Ratio(Interval):
    """A ratio of speeds with the p value of `no difference`."""

    p: float


def speed(samples: Sequence[float]) -> Interval:
    """Return the geometric mean of launches' speeds and its t interval, on their logarithms and unadjusted."""
    middle = float(np.median(samples))  # taken out first, so that equal speeds have exactly their speed as mean
    mean = middle * math.exp(np.log(np.asarray(samples, float) / middle).mean())
    low, high = t_bounds(np.log(samples))
    return Interval(mean, low, high, len(samples))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Return the geometric mean of ours/theirs over rounds, with its paired t interval; both in the rounds' order."""
    logs = np.log(np.asarray(ours, float) / np.asarray(theirs, float))
    low, high = t_bounds(logs)
    return Ratio(math.exp(logs.mean()), low, high, len(logs), p_value(logs))


def p_value(logs: Logs) -> float:
    """Return the two-sided p value of Student's t test that the mean is 0; 1 with fewer than two values."""
    n = len(logs)
    return float(p_values(logs.mean(), logs.std(ddof=1), n)) if n > 1 else 1.0


def p_values(means: npt.ArrayLike, deviations: npt.ArrayLike, counts: npt.ArrayLike) -> Floats:
    """Return p_value of many samples at once, from their means, standard deviations (n - 1) and sizes."""
    size, n = np.abs(np.asarray(means, float)), np.asarray(counts, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * special.stdtr(n - 1, -size / (np.asarray(deviations, float) / np.sqrt(n)))
    return np.where((n < 2) | (size == 0), 1.0, found)


def t_bounds(logs: Logs) -> tuple[float, float]:
    """Return the bounds of exp(mean) by Student's t; (0, infinity) with fewer than two values."""
    half = t_half_width(logs)
    return math.exp(logs.mean() - half), math.exp(logs.mean() + half)


def t_half_width(values: Logs, confidence: float = CONFIDENCE) -> float:
    """Return half the width of the mean's interval by Student's t; infinite with fewer than two values."""
    n = len(values)
    return float(half_widths(values.std(ddof=1), n, confidence)) if n > 1 else math.inf


def half_widths(deviations: npt.ArrayLike, counts: npt.ArrayLike, confidence: float = CONFIDENCE) -> Floats:
    """Return t_half_width of many samples at once, from their standard deviations (n - 1) and sizes."""
    n = np.asarray(counts, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = special.stdtrit(n - 1, (1 + confidence) / 2) * np.asarray(deviations, float) / np.sqrt(n)
    return np.where(n > 1, found, math.inf)


def verdicts(ratios: Mapping[str, Ratio]) -> dict[str, str]:
    """Return for each pair of one table: equivalent, faster, slower, not distinguished, or nothing below FEWEST rounds.

    p values are adjusted by Holm over all the pairs that get a verdict: 5 % of tables hold a wrong faster or slower.
    """
    judged = {name: ratio for name, ratio in ratios.items() if ratio.n >= FEWEST}
    sure = holm({name: ratio.p for name, ratio in judged.items()})
    return {name: verdict(judged[name], sure[name]) if name in judged else "" for name in ratios}


def verdict(ratio: Ratio, p: float) -> str:
    """Return one pair's verdict from its interval and its adjusted p value."""
    if EQUIVALENT[0] <= ratio.low and ratio.high <= EQUIVALENT[1]:
        return "equivalent"
    if p < 1 - CONFIDENCE:
        return "faster" if ratio.estimate > 1 else "slower"
    return "not distinguished"


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p values adjusted for having asked them all (Holm 1979, Scandinavian Journal of Statistics 6)."""
    return dict(zip(p_values, adjusted(list(p_values.values())).tolist(), strict=True))


def adjusted(p_values: npt.ArrayLike) -> Floats:
    """Return many p values adjusted by Holm, in the order in which they came."""
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
        return max((speed(list(rounds.values())).half_width for rounds in known.values()), default=math.inf)
    best = max(known, key=lambda name: float(np.mean(np.log(list(known[name].values())))))
    widths = []
    for name, rounds in known.items():
        if name != best:
            common = sorted(rounds.keys() & known[best].keys())
            pair = ([rounds[n] for n in common], [known[best][n] for n in common])
            widths.append(paired(*pair).half_width if common else math.inf)
    return max(widths)
