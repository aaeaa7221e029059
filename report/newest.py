"""Which launches count: those of the newest session that measured a cell, all measured under the same conditions.

A session is a sweep with those that it resumed (load); in a frame that does not say, each sweep is one. Names of
sweeps sort by time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from report.grouping import Flags, Numbers, equal


def is_newest(frame: pd.DataFrame, cell: Numbers) -> Flags:
    """Return which launches of each cell and task count, given each launch's number of its cell.

    What was interrupted measured nothing: it hides no older session, and is shown until a later sweep has the launch.
    What its comparison began anew after, on another machine of the sweep (load), is never shown.
    """
    current = ~frame["overtaken"].to_numpy(bool) if "overtaken" in frame else np.ones(len(frame), bool)
    lost = equal(frame["status"], "interrupted")
    sessions = pd.factorize(frame["session"] if "session" in frame else frame["sweep"], sort=True)[0]
    group = 2 * cell + equal(frame["task"], "speed")
    last, measured = (highest(sessions, group, counts)[group] for counts in (current, current & ~lost))
    alike = of_one_identity(frame, group, (sessions == measured) & ~lost & current)
    found = ~lost & (sessions == measured) & alike | lost & (sessions == last) & ~replaced(frame, group, lost)
    return np.asarray(found & current, bool)


def highest(values: Numbers, group: Numbers, counts: Flags) -> Numbers:
    """Return of each group the highest value of those that count, -1 where none does."""
    found = np.full(group.max(initial=-1) + 1, -1)
    np.maximum.at(found, group[counts], values[counts])
    return found


def of_one_identity(frame: pd.DataFrame, group: Numbers, counts: Flags) -> Flags:
    """Return which launches have an identity (column `cell`) that their group's newest sweep has too.

    A sweep that resumed another made again what had changed in between, a framework's environment or the recipe's
    epochs: the older launches of that cell are none of the same.
    """
    if "cell" not in frame:
        return np.ones(len(frame), bool)
    sweeps = pd.factorize(frame["sweep"], sort=True)[0]
    latest = highest(sweeps, group, counts)
    identity = group * (len(frame) + 1) + pd.factorize(frame["cell"])[0]
    return np.isin(identity, identity[counts & (sweeps == latest[group])])


def replaced(frame: pd.DataFrame, group: Numbers, lost: Flags) -> Flags:
    """Return which launches a later sweep has too, or their own has not lost: of the same group, round and seed."""
    names = pd.DataFrame({"group": group, "round": frame["round"].to_numpy(), "seed": frame["seed"].to_numpy()})
    launch = np.asarray(names.groupby(["group", "round", "seed"], dropna=False).ngroup(), np.int64)
    made = 2 * np.asarray(pd.factorize(frame["sweep"], sort=True)[0], np.int64) + ~lost
    return np.asarray(made < highest(made, launch, np.ones(len(frame), bool))[launch])
