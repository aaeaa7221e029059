"""Which launches count: those of the newest session that measured a cell, all measured under the same conditions.

A session is a sweep with those that it resumed (load). Names of sweeps sort by time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.record.store import base_of
from report.tables.groups import Flags, Numbers, equal, highest, number


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
