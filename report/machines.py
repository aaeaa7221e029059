"""Kinds of machine by a name that people can read: what tells kinds apart, and never a host or a user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.storage import Sweep
from report.reading import clean

UNKNOWN = "unknown"  # the kind of a file that does not tell it
LONGEST = 80  # characters of a processor's name


def kind(sweep: Sweep) -> str:
    """Return the kind of machine that a file's record tells: a hash."""
    told = sweep.run.get("machine_kind")
    return str(clean("str", told)) if isinstance(told, str) else UNKNOWN


def name(machine: Any) -> str:
    """Return a machine's facts in a few words, `AMD EPYC, 2 cores, 24 GiB`; empty where the processor is not known."""
    facts = machine if isinstance(machine, Mapping) else {}
    cpu, cores, memory = (facts.get(fact) for fact in ("cpu", "physical_cores", "memory_bytes"))
    if not isinstance(cpu, str) or not cpu.strip():
        return ""
    words = [str(clean("str", cpu.strip()[:LONGEST]))]
    if isinstance(cores, int):
        words.append(f"{cores} core{'' if cores == 1 else 's'}")
    if isinstance(memory, int):
        words.append(f"{round(memory / 2**30)} GiB")  # as benchmarks/machine.py rounds it for the kind's hash
    return ", ".join(words)


def names(sweeps: Sequence[Sweep]) -> dict[str, str]:
    """Return a name for each kind of machine, the last file's; kinds of one name have their hash behind it."""
    found: dict[str, str] = {}
    for sweep in sweeps:
        known = found.get(kind(sweep), "")
        found[kind(sweep)] = name(sweep.run.get("machine")) or known
    many = Counter(found.values())
    return {
        key: named if named and many[named] == 1 else f"{named or 'machine'} ({key})" for key, named in found.items()
    }
