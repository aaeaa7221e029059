"""Which launches belong together: sweeps that resumed one another count as one, and so do the members of one sweep.

report/results/newest.py says which of these launches tables show. A sweep BASE over several machines has a file for
each member, whose own sweep is named BASE.m01, BASE.m02 and so on; the file BASE itself is the driver's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MEMBER = re.compile(r"(.+)\.m\d+", re.DOTALL)


def base_of(sweep: str) -> str:
    """Return the sweep that a member's sweep is part of; any other sweep itself."""
    member = MEMBER.fullmatch(sweep)
    return member[1] if member else sweep


def sessions(runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each sweep that another resumed the last one that did, through all that lie between.

    A run record's `resumes` names the sweeps it went on with; names sort by time, and only older ones count. Members
    are named by the sweep that they are part of.
    """
    last: dict[str, str] = {}
    named: dict[str, set[str]] = {}
    for run in runs:
        named.setdefault(base_of(str(run.get("sweep"))), set()).update(map(base_of, run.get("resumes", [])))
    for name in sorted(named, reverse=True):
        for older in named[name]:
            if older < name:
                last.setdefault(older, last.get(name, name))
    return last


def session(sweep: str, last: Mapping[str, str]) -> str:
    """Return the session of a sweep's launches; `last` is what sessions() says."""
    base = base_of(sweep)
    return last.get(base, base)
