"""What a frame says of machines: each launch's kind, a name of each kind, and which attempts on a machine count.

A comparison stays on the machine that began it, as a ratio never crosses machines. Where that machine was lost, another
of its kind begins the comparison again as a new attempt, and the launches before it no longer count. Names tell kinds
apart for people, and never hold a host or a user.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.record.store import MEMBER, SweepFile, base_of, session
from report.results.arrow import clean
from report.tables.compare import COMPARISON
from report.tables.groups import Flags, equal, highest, number

Part = tuple[pa.Table, SweepFile]
READ = [*(column for column in COMPARISON if column != "machine_kind"), "task", "status", "sweep", "attempt"]


def _is_part(sweep: SweepFile) -> bool:
    """Return whether a file is one of several that a sweep over several machines left."""
    return "engine" in sweep.run or MEMBER.fullmatch(str(sweep.run.get("sweep"))) is not None


def _by_base(parts: Sequence[Part]) -> list[list[int]]:
    """Return the places of each family's parts."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, (_, sweep) in enumerate(parts):
        if _is_part(sweep):
            found[base_of(str(sweep.run.get("sweep")))].append(place)
    return list(found.values())


def kinds(parts: Sequence[Part]) -> list[pa.Array]:
    """Return each launch's kind of machine.

    It stands in its file's record. A driver's own launches are those that members lost: they are of the kind whose
    launches have the same identity (column `cell`), or of the only kind that there is.
    """
    found = [pa.repeat(kind(sweep), len(table)).dictionary_encode() for table, sweep in parts]
    for family in _by_base(parts):
        members = [place for place in family if "engine" not in parts[place][1].run]
        by_cell = {cell: kind(parts[p][1]) for p in members for cell in pc.unique(parts[p][0]["cell"]).to_pylist()}
        of_members = {kind(parts[place][1]) for place in members}
        otherwise = of_members.pop() if len(of_members) == 1 else UNKNOWN
        for place in set(family).difference(members):
            cells = parts[place][0]["cell"].to_pylist()
            texts = pa.array([by_cell.get(cell, otherwise) for cell in cells], pa.string())
            found[place] = texts.dictionary_encode()
    return found


def overtaken(parts: Sequence[Part], machine_kinds: Sequence[pa.Array], last: Mapping[str, str]) -> list[Flags]:
    """Return which launches are of an attempt at their comparison that a later one took the place of.

    `last` is what sessions() says: a sweep over machines that resumes another measures again what is not complete.
    """
    session_of = [session(str(sweep.run.get("sweep")), last) for _, sweep in parts]
    several = {name for name, (_, sweep) in zip(session_of, parts, strict=True) if _is_part(sweep)}
    places = [place for place, name in enumerate(session_of) if name in several]
    frames = [
        parts[p][0].select(READ).to_pandas().assign(machine_kind=machine_kinds[p].to_pylist(), session=session_of[p])
        for p in places
    ]
    found = [np.zeros(len(table), bool) for table, _ in parts]
    if frames:
        ends = np.cumsum([len(frame) for frame in frames])[:-1]
        for place, flags in zip(places, np.split(_before_the_last(pd.concat(frames)), ends), strict=True):
            found[place] = flags
    return found


def _before_the_last(frame: pd.DataFrame) -> Flags:
    """Return which launches are of an attempt before their session's last that has anything but interrupted ones.

    Attempts are numbered by who plans them: when a launch began says nothing of their order, clocks of machines differ.
    """
    comparison, numbered = number(frame, ["session", *COMPARISON, "task"]), frame["attempt"].notna().to_numpy(bool)
    attempts = pd.DataFrame({"base": [base_of(name) for name in frame["sweep"]], "attempt": 1})
    attempts.loc[numbered, "attempt"] = frame["attempt"].to_numpy()[numbered].astype(np.int64)
    attempt = number(attempts, ["base", "attempt"])
    last = highest(attempt, comparison, numbered & ~equal(frame["status"], "interrupted"))
    return np.asarray(attempt < last[comparison], bool)


UNKNOWN = "unknown"  # the kind of a file that does not tell it
LONGEST = 80  # characters of a processor's name


def kind(sweep: SweepFile) -> str:
    """Return the kind of machine that a file's record tells: a hash."""
    recorded = sweep.run.get("machine_kind")
    return str(clean("str", recorded)) if isinstance(recorded, str) else UNKNOWN


def _name(machine: Any) -> str:
    """Return a machine's facts in a few words, `AMD EPYC, 2 cores, 24 GiB`; empty where the processor is not known."""
    facts = machine if isinstance(machine, Mapping) else {}
    cpu, cores, memory = (facts.get(fact) for fact in ("cpu", "physical_cores", "memory_bytes"))
    if not isinstance(cpu, str) or not cpu.strip():
        return ""
    words = [str(clean("str", cpu.strip()[:LONGEST]))]
    if isinstance(cores, int):
        words.append(f"{cores} core{'' if cores == 1 else 's'}")
    if isinstance(memory, int):
        words.append(f"{round(memory / 2**30)} GiB")  # as benchmarks/machine/hardware.py rounds it for the kind's hash
    return ", ".join(words)


def names(sweeps: Sequence[SweepFile]) -> dict[str, str]:
    """Return a name for each kind of machine, the last file's; kinds of one name have their hash behind it."""
    found: dict[str, str] = {}
    for sweep in sweeps:
        before = found.get(kind(sweep), "")
        found[kind(sweep)] = _name(sweep.run.get("machine")) or before
    many = Counter(found.values())
    return {
        key: named if named and many[named] == 1 else f"{named or 'machine'} ({key})" for key, named in found.items()
    }
