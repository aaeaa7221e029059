"""Several kinds of machine in one page: the inputs of each, and the table that says what they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.record.store import MEMBER, base_of
from report.page import words
from report.page.inputs import Inputs, Record, name_of
from report.page.parts import Cell, Column, Group, Line, Table
from report.results.machines import UNKNOWN, kind

COLUMNS = (
    Column("machine"), Column("processor"), Column("cores", number=True), Column("memory", number=True),
    Column("cards"), Column("members", number=True),
    Column("versions that differ"), Column("measured"), Column("launches", "ok", True), Column("flags"),
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """One kind of machine: the name of its part of the page, which ids begin with, its own name, its inputs."""

    part: str
    name: str
    inputs: Inputs

    @property
    def facts(self) -> Record:
        """What the newest file that says anything says about the machine."""
        facts = [sweep.run["machine"] for sweep in self.inputs.used if sweep.run.get("machine")]
        return facts[-1] if facts else {}

    @property
    def members(self) -> int:
        """How many machines of this kind took part in one sweep: the most that any had; files alone tell of one."""
        names = {name_of(sweep) for sweep in self.inputs.used}
        found = Counter(base_of(name) for name in names if MEMBER.fullmatch(name))
        return max(found.values(), default=1)


def machines(inputs: Inputs) -> list[Machine]:
    """Return the kinds of machine in the order of their names, those that no file tells last."""
    found = inputs.frame[["machine_kind", "machine"]].drop_duplicates("machine_kind").astype(str)
    keys = sorted(found.itertuples(index=False, name=None), key=lambda pair: (pair[0] == UNKNOWN, *reversed(pair)))
    made = []
    for place, (key, name) in enumerate(keys, 1):
        rows = inputs.rows[inputs.rows["machine_kind"] == key]
        names = set(rows["sweep"])
        sweeps = [sweep for sweep in inputs.sweeps if kind(sweep) == key or name_of(sweep) in names]
        base = inputs.base if inputs.base in set(rows["framework"]) else None
        own = Inputs(rows, sweeps, base, f"m{place}-")
        made.append(Machine(f"machine-{place}", words.short(name, 80), own))
    return made


def table(found: Sequence[Machine]) -> Table:
    """Return what the machines are, each with a link to its part."""
    versions = {machine.part: _by_framework(machine.inputs.frame) for machine in found}
    differing = {
        name
        for name in {name for mine in versions.values() for name in mine}
        if len({mine[name] for mine in versions.values() if name in mine}) > 1
    }
    lines = [
        Line((Cell(machine.name, link=machine.part), *_cells(machine, versions[machine.part], differing)))
        for machine in found
    ]
    return Table("The machines", COLUMNS, [Group(lines)], style="machines")


def _by_framework(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the versions of each framework."""
    versioned = frame.dropna(subset="framework_version").astype({"framework": str, "framework_version": str})
    return {str(name): tuple(sorted(set(group))) for name, group in versioned.groupby("framework")["framework_version"]}


def _cells(machine: Machine, versions: Mapping[str, tuple[str, ...]], differing: set[str]) -> Iterator[Cell]:
    """Yield a machine's cells but for its name."""
    facts, frame = machine.facts, machine.inputs.frame
    cores, memory = (_number_of(facts.get(name)) for name in ("physical_cores", "memory_bytes"))
    cpus = sorted(set(frame.loc[frame["device"] == "cpu", "device_name"]))
    cards = sorted(set(frame.loc[frame["device"] != "cpu", "device_name"]) | set(_cards_of(facts)))
    others = [f"{name} {', '.join(versions[name])}" for name in sorted(differing & versions.keys())]
    days = sorted({re.sub(r"T.*", "", str(began), flags=re.DOTALL)[:10] for began in frame["started_at"]})
    good = int((frame["status"] == "ok").sum())
    yield Cell(words.short(facts.get("cpu") or ", ".join(cpus) or words.NONE, 48), style="long")
    yield Cell(words.number(cores), value=cores)
    yield Cell(words.size(memory), value=memory)
    yield Cell(words.short(", ".join(cards) or words.NONE, 80), style="long")
    yield Cell(f"{machine.members:,}", value=float(machine.members))
    yield Cell(words.short(", ".join(others) or words.NONE, 120), style="long")
    yield Cell(words.short(" to ".join(dict.fromkeys([days[0], days[-1]]))))
    yield Cell(f"{len(frame):,}", f"{good:,}", float(len(frame)))
    yield Cell(words.short(", ".join(_flags(frame)) or words.NONE, 80), style="long")


def _number_of(value: Any) -> float | None:
    """Return a fact that is a number, nothing for any other."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _cards_of(facts: Record) -> Iterator[str]:
    """Yield the names of the cards in a machine's facts."""
    found = facts.get("gpus")
    for card in found if isinstance(found, list) else []:
        if isinstance(card, Mapping) and isinstance(card.get("name"), str):
            yield card["name"]


def _flags(frame: pd.DataFrame) -> Iterator[str]:
    """Yield how often each flag stands on launches: `noisy 2`."""
    counted = Counter(flag for found in frame["flags"] if isinstance(found, list) for flag in found)
    yield from (f"{flag} {count:,}" for flag, count in sorted(counted.items()))
