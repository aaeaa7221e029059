"""Cells beside the best of their comparison: ratios paired by rounds, their intervals and verdicts, for a whole table.

What a run says at its end and what `report` says of the same rows are these figures. A run has no pandas, and a million
launches leave no time for a loop over them, so that all of it is arrays of numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.stats import Floats, Means, Numbers, Words, judged_ratios, simultaneous

Flags = npt.NDArray[np.bool_]

CIRCLE = 8  # choices of a best before pairs are said to lead round in a circle
ROUNDING = 1e-12  # what a mean of differences and a difference of means may be apart


@dataclass(frozen=True)
class Launches:
    """Launches as arrays of one length: the number of their cell, of what pairs them (a round, a seed), a value.

    No two launches of a cell have one `pair`.
    """

    cell: Numbers
    pair: Numbers
    value: Floats


@dataclass(frozen=True)
class Ratios:
    """A table's figures by cell: bounds of the speed, the ratio to the best, its bounds and verdict; NaN for none."""

    low: Floats
    high: Floats
    ratio: Floats
    ratio_low: Floats
    ratio_high: Floats
    verdict: Words


def spread(values: npt.ArrayLike, groups: npt.ArrayLike, size: int) -> Means:
    """Return n, mean and std (n - 1) of the values of each of `size` groups.

    Mean and std are NaN where a group has no values or one of them is NaN. Equal values have exactly this mean.
    """
    found, numbers = np.asarray(values, float), np.asarray(groups, np.int64)
    n = np.bincount(numbers, minlength=size)
    some = np.full(size, np.nan)
    some[numbers] = found  # one of each group, taken out first
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = some + np.bincount(numbers, found - some[numbers], size) / n
        std = np.sqrt(np.bincount(numbers, (found - mean[numbers]) ** 2, size) / (n - 1))
    return Means(mean, np.where(n > 1, std, np.nan), n.astype(float))


def chosen(comparison: Numbers, order: Floats) -> Numbers:
    """Return for each cell the cell of its comparison with the lowest `order`; -1 where none may: NaN may not.

    What is equal goes by number.
    """
    may = np.flatnonzero(~np.isnan(order))
    may = may[np.lexsort((order[may], comparison[may]))]
    comparisons, place = np.unique(comparison[may], return_index=True)
    found = np.full(comparison.max(initial=-1) + 1, -1)
    found[comparisons] = may[place]
    return found[comparison]


def differences(launches: Launches, reference: Numbers) -> tuple[Numbers, Floats]:
    """Return cell and value of each launch minus the value of the reference's launch that it is paired with.

    `reference` is for each cell the cell that it is compared with, below 0 where there is none; the reference's own
    launches are no pairs.
    """
    to, width = reference[launches.cell], launches.pair.max(initial=0) + 1
    theirs = launches.cell == to
    ours = ~theirs & (to >= 0)
    keys = (launches.cell * width + launches.pair)[theirs]
    order = np.argsort(keys)
    wanted = (to * width + launches.pair)[ours]
    place = np.searchsorted(keys[order], wanted)
    paired = place < len(keys)
    paired[paired] = keys[order][place[paired]] == wanted[paired]
    values = launches.value[ours][paired] - launches.value[theirs][order][place[paired]]
    return launches.cell[ours][paired], values


def to_the_best(launches: Launches, comparison: Numbers, may: Flags) -> Ratios:
    """Return each cell's interval, and its ratio to the best of its comparison of those that `may` be the best.

    The values of `launches` are samples/s, pairs are rounds of one sweep. Ratios' intervals are simultaneous over the
    table.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = Launches(launches.cell, launches.pair, np.log(launches.value))
    own = spread(logs.value, logs.cell, len(comparison))
    pairs, ratio = _to_the_best(logs, own.mean, comparison, may)
    was_chosen = len(np.unique(comparison[may])) < may.sum()
    judged = judged_ratios(pairs, simultaneous(pairs, comparison if was_chosen else None))
    low, high = (np.exp(bound) for bound in own.bounds())
    return Ratios(low, high, np.exp(ratio), judged.low, judged.high, judged.verdict)


def _to_the_best(launches: Launches, mean: Floats, comparison: Numbers, may: Flags) -> tuple[Means, Floats]:
    """Return the spread of each cell's pairs with the best of its comparison, and its log ratio.

    The best is that of those which `may` be it that no ratio exceeds: at first the one with the highest `mean` of logs,
    and where launches are missing from some rounds, so that pairs say otherwise, the one that they put ahead of it. If
    pairs lead round in a circle, none is the best and the highest mean it is.
    """
    highest = chosen(comparison, -np.where(may, mean, np.nan))
    reference = highest
    for _ in range(CIRCLE):
        pairs, ratio = against(launches, mean, reference)
        better = chosen(comparison, -np.where(may & (ratio > ROUNDING), ratio, np.nan))
        if (better < 0).all():
            return pairs, ratio
        reference = np.where(better < 0, reference, better)
    circling = np.isin(comparison, comparison[better >= 0])
    return against(launches, mean, np.where(circling, highest, reference))


def against(launches: Launches, mean: Floats, reference: Numbers) -> tuple[Means, Floats]:
    """Return the spread of each cell's log ratios to its reference, paired, and the ratio, their mean.

    Where the two share no pair, the ratio is the difference of their `mean`s of logs; NaN where `reference` is below 0.
    """
    cells, values = differences(launches, reference)
    found = spread(values, cells, len(mean))
    apart = mean - np.where(reference < 0, np.nan, mean[reference])
    return found, np.where(found.n > 0, found.mean, apart)
