"""Launches in groups by the thousand: numbers in place of keys, statistics of whole columns, and which launches count.

A million launches may be 50,000 cells. To call a function for each of them takes a minute; a column takes a moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.record.ratios import Flags
from benchmarks.record.store import base_of
from benchmarks.stats import Floats, Means, Numbers


def number(frame: pd.DataFrame, names: Sequence[str]) -> Numbers:
    """Return for each line the number of its group, the lines that agree in these columns; from 0, in sorted order.

    Absent values are a group, the last. Columns are joined as digits of one number, which is made dense again before it
    would not fit; pandas' own grouping takes ten times as long for fifteen columns.
    """
    found, size = np.zeros(len(frame), np.int64), 1
    for name in names:
        codes, values = _codes(frame[name])
        if size * (values + 1) >= LARGEST:
            found, size = _dense(found)
        found, size = found * (values + 1) + np.where(codes < 0, values, codes), size * (values + 1)
    return _dense(found)[0]


LARGEST = 2**62


def _codes(values: pd.Series) -> tuple[Numbers, int]:
    """Return for each value its place among the sorted ones, -1 for an absent one; and how many there are."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = np.asarray(values.cat.codes, np.int64)
        if not values.cat.categories.is_monotonic_increasing:
            order = np.append(np.argsort(np.argsort(values.cat.categories)), -1)
            codes = order[codes]
        return codes, len(values.cat.categories)
    found, different = pd.factorize(values, sort=True)
    return np.asarray(found, np.int64), len(different)


def _dense(found: Numbers) -> tuple[Numbers, int]:
    """Return numbers from 0 without gaps in the order of these, and how many there are."""
    codes, different = pd.factorize(found, sort=True)
    return np.asarray(codes, np.int64), max(1, len(different))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its categories as text."""
    return table.astype({name: "string" for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)})


def first(numbers: Numbers) -> Numbers:
    """Return of each group the place of its first line."""
    return np.unique(numbers, return_index=True)[1].astype(np.int64)


def highest(values: Numbers, group: Numbers, counts: Flags) -> Numbers:
    """Return of each group the highest value of those that count, -1 where none does."""
    found = np.full(group.max(initial=-1) + 1, -1)
    np.maximum.at(found, group[counts], values[counts])
    return found


def equal(texts: pd.Series, word: str) -> Flags:
    """Return which texts are this word; an absent one is not."""
    return (texts == word).to_numpy(bool, na_value=False)


def floats(values: pd.Series) -> Floats:
    """Return a column's numbers, NaN where a line has none."""
    return values.to_numpy(float, na_value=np.nan)


def joined(texts: pd.Series, groups: Numbers, size: int) -> pd.Series:
    """Return of each group its different texts in order, with commas; missing for a group without any."""
    words = {group: ", ".join(counts) for group, counts in counted(texts, groups).items()}
    return pd.Series([words.get(group) for group in range(size)], dtype="string")


def counted(texts: pd.Series, groups: Numbers) -> dict[int, dict[str, int]]:
    """Return of each group that has any its different texts in order, and how often each occurs."""
    codes, different = pd.factorize(texts, sort=True)
    names = [str(text) for text in different]
    pairs, counts = np.unique(groups[codes >= 0] * len(names) + codes[codes >= 0], return_counts=True)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        found[pair // len(names)][names[pair % len(names)]] = count
    return found


def last(texts: pd.Series, groups: Numbers, size: int) -> pd.Series:
    """Return of each group its last text; missing for a group without any."""
    return texts.groupby(groups).last().astype("string").reindex(range(size))


def as_frame(found: Means) -> pd.DataFrame:
    """Return means of groups as the columns n, mean and std."""
    places = pd.Index(np.arange(len(found.n)))  # pandas reindexes no RangeIndex by what has missing values
    return pd.DataFrame({"n": found.n.astype(int), "mean": found.mean, "std": found.std}, places)


def means(found: pd.DataFrame) -> Means:
    """Return the columns of as_frame, and `freedom` where there is one, as benchmarks/stats.py takes them."""
    return Means(**{name: floats(found[name]) for name in ("mean", "std", "n", "freedom") if name in found})


def geometric_means(values: pd.DataFrame, groups: Numbers) -> pd.DataFrame:
    """Return of each group its columns' geometric means, which the intervals of speeds and paired ratios are about.

    Each column's median is taken out first, so that equal values have exactly this value as their mean.
    """
    middle = values.groupby(groups).median()
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = (values / middle.reindex(groups).set_axis(values.index)).transform(np.log)
    return middle * logs.groupby(groups).mean().transform(np.exp)


def is_newest(frame: pd.DataFrame, cell: Numbers) -> Flags:
    """Return which launches of each cell and task count, given each launch's number of its cell.

    What was interrupted measured nothing: it hides no older session, and is shown until a later sweep has the launch.
    What is of an attempt before the last one at its comparison (load) is never shown, and hides nothing.
    """
    current = ~frame["overtaken"].to_numpy(bool)
    lost = equal(frame["status"], "interrupted")
    sessions = pd.factorize(frame["session"], sort=True)[0]
    group = 2 * cell + equal(frame["task"], "speed")
    last, measured = (highest(sessions, group, counts)[group] for counts in (current, current & ~lost))
    alike = _of_one_identity(frame, group, (sessions == measured) & ~lost & current)
    found = ~lost & (sessions == measured) & alike | lost & (sessions == last) & ~_replaced(
        frame, group, lost, current, sessions
    )
    return np.asarray(found & current, bool)


def _of_one_identity(frame: pd.DataFrame, group: Numbers, counts: Flags) -> Flags:
    """Return which launches have an identity (column `cell`) that their group's newest sweep has too.

    A sweep that resumed another made again what had changed in between, a framework's environment or the recipe's
    epochs: the older launches of that cell do not belong to the same cell.
    """
    sweeps = pd.factorize(frame["sweep"], sort=True)[0]
    latest = highest(sweeps, group, counts)
    identity = group * (len(frame) + 1) + pd.factorize(frame["cell"])[0]
    return np.isin(identity, identity[counts & (sweeps == latest[group])])


def _replaced(frame: pd.DataFrame, group: Numbers, lost: Flags, counts: Flags, sessions: Numbers) -> Flags:
    """Return which launches a later session has too, or their own has not lost, or lost in a later attempt again.

    A launch is told by its group, round and seed; only those that count replace others.
    """
    names = pd.DataFrame({"group": group, "round": frame["round"].to_numpy(), "seed": frame["seed"].to_numpy()})
    launch = np.asarray(names.groupby(["group", "round", "seed"], dropna=False).ngroup(), np.int64)
    sweeps, different = pd.factorize(frame["sweep"])
    bases = np.array([base_of(name) for name in different], object)[sweeps]
    endings = pd.DataFrame({"session": sessions, "made": ~lost, "base": bases})
    endings["attempt"] = frame["attempt"].fillna(1).to_numpy(np.int64)
    order = number(endings, ["session", "made", "base", "attempt"])
    return np.asarray(order < highest(order, launch, counts)[launch])
