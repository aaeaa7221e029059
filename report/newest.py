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
    """
    lost, everything = equal(frame["status"], "interrupted"), np.ones(len(frame), bool)
    sessions = pd.factorize(frame["session"] if "session" in frame else frame["sweep"], sort=True)[0]
    group = 2 * cell + equal(frame["task"], "speed")
    last, measured = (highest(sessions, group, counts)[group] for counts in (everything, ~lost))
    alike = of_one_identity(frame, group, (sessions == measured) & ~lost)
    found = ~lost & (sessions == measured) & alike | lost & (sessions == last) & ~replaced(frame, group)
    return np.asarray(found, bool)


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


def replaced(frame: pd.DataFrame, group: Numbers) -> Flags:
    """Return which launches a later sweep has too: of the same group, round and seed."""
    names = pd.DataFrame({"group": group, "round": frame["round"].to_numpy(), "seed": frame["seed"].to_numpy()})
    launch = np.asarray(names.groupby(["group", "round", "seed"], dropna=False).ngroup(), np.int64)
    sweeps = np.asarray(pd.factorize(frame["sweep"], sort=True)[0], np.int64)
    return np.asarray(sweeps < highest(sweeps, launch, np.ones(len(frame), bool))[launch])
