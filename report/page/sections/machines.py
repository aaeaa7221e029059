"""Several kinds of machine in one page: the inputs of each, what they are, and what they say together.

Who is ahead on the whole is told by geometric means of ratios that are taken on each machine by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pandas as pd

from benchmarks.cli.terminal import DATA
from benchmarks.errors import count
from benchmarks.record.store import MEMBER, base_of
from benchmarks.stats import bound
from report.page import columns, words
from report.page.inputs import Inputs, Record, name_of
from report.page.parts import Cell, Column, Group, Line, Part, Table, Words
from report.page.sections.lead import UNSURE, led
from report.results.load import UNKNOWN, kind
from report.tables.compare import CELL
from report.tables.groups import number
from report.tables.over_machines import POINT, over_machines

MACHINES = (
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


MOST = 1_000  # configurations in the parts of all machines together: a page of some 10 MB


def with_parts(found: Sequence[Machine]) -> list[Machine]:
    """Return the machines that have a part, in order: those measured last, as long as the page bears it."""
    newest = sorted(found, key=lambda machine: str(machine.inputs.frame["started_at"].max()), reverse=True)
    sizes = [int(number(machine.inputs.frame, CELL).max(initial=-1)) + 1 for machine in newest]
    taken = {machine.part for machine, size in zip(newest, accumulate(sizes), strict=True) if size <= MOST}
    return [machine for machine in found if machine.part in taken or machine is newest[0]]


def left_out(found: Sequence[Machine], parts: Sequence[Machine]) -> Iterator[str]:
    """Yield that some machines have no part, and where theirs is."""
    if len(parts) < len(found):
        have = f"{len(parts):,} measured last have parts" if len(parts) > 1 else "one measured last has a part"
        yield (
            f"Of {len(found):,} kinds of machine the {have} below; the others stand in the means over all. "
            "`python -m report page --results FILE` makes the page of one file."
        )


def table(found: Sequence[Machine], parts: Sequence[Machine]) -> Table:
    """Return what the machines are, each with a link to its part, where it has one."""
    linked = {machine.part for machine in parts}
    versions = {machine.part: _by_framework(machine.inputs.frame) for machine in found}
    differing = {
        name
        for name in {name for mine in versions.values() for name in mine}
        if len({mine[name] for mine in versions.values() if name in mine}) > 1
    }
    lines = [
        Line((_named(machine, machine.part in linked), *_cells(machine, versions[machine.part], differing)))
        for machine in found
    ]
    return Table("The machines", MACHINES, [Group(lines)], style="machines")


def _named(machine: Machine, linked: bool) -> Cell:
    """Return a machine's name, which leads to its part."""
    return Cell(machine.name, link=f"#{machine.part}" if linked else "")


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


def _on_one(record: dict[Any, Any]) -> Cell:
    """Return the least and the largest ratio; to itself the reference's is 1 everywhere, which needs no words."""
    itself = record["framework"] == record["reference"]
    between = "" if itself else words.between(record["least"], record["most"], ".3f")
    return Cell(between, value=float(record["least"]))


MEANS = (
    columns.FRAMEWORK,
    columns.estimate("mean ratio", "ratio", ".3f", "", bound),
    Column("on one machine", "least to most", True, _on_one),
    columns.out_of("machines", "machines", "of"),
    columns.out_of("fastest on", "fastest", "of"),
)
AHEAD = ("is ahead on", "")  # how the title says it where it is sure
NOTE = (
    "On each machine a framework's fastest mode is compared with the reference's, paired by rounds; the mean over "
    "machines is geometric, of ratios and never of speeds, each kind of machine counting once. Its interval is of the "
    "measurements on these machines and says nothing of others: how far they differ stands beside it."
)


class Summary:
    """The means over machines: of the points that the machines' own headlines are about, and of all the others."""

    def __init__(self, inputs: Inputs, machines: list[Machine]) -> None:
        self.count = len(machines)
        found = over_machines(inputs.timed, inputs.speeds, inputs.base)
        leads = [cells.iloc[0] for machine in with_parts(machines) for cells in machine.inputs.headline]
        keys = dict.fromkeys(tuple(first[name] for name in POINT) for first in leads)
        groups = dict(list(found.groupby(POINT, sort=False))) if len(found) else {}
        self.leading: list[pd.DataFrame] = [groups[key] for key in keys if key in groups]
        self.others: list[pd.DataFrame] = [lines for key, lines in groups.items() if key not in keys]

    def title(self) -> str:
        """Return the page's first line: who is ahead on the whole, on how many kinds of machine."""
        winners: dict[tuple[str, str], dict[str, dict[str, None]]] = {}  # places once, in order
        for lines in self.leading:
            names = winners.setdefault(AHEAD if _sure(lines) else UNSURE, {})
            names.setdefault(words.short(lines.iloc[0]["framework"]), {})[self.place(lines)] = None
        kinds = count(self.count, "kind of machine", "kinds of machine")
        return f"Over {kinds}, {led(winners)}" if winners else f"{kinds}, each by itself".capitalize()

    def place(self, lines: pd.DataFrame) -> str:
        """Return what a point is about, the device only where there are several."""
        first = lines.iloc[0]
        several = len({found.iloc[0]["device"] for found in self.leading}) > 1
        return words.short(first["model"]) + (f" ({str(first['device']).upper()})" if several else "")

    def sentences(self) -> Iterator[str]:
        """Yield for each leading point how far the second is behind on the whole, and where who is fastest."""
        for lines in self.leading:
            records = lines.to_dict("records")
            wins = [f"{words.short(r['framework'])} on {r['fastest']}" for r in records if r["fastest"]]
            sentence = f"{self.place(lines)}, batch {records[0]['batch_size']}: fastest is {words.listed(wins)} "
            sentence += f"of {count(int(records[0]['of']), 'kind of machine', 'kinds of machine')}"
            yield sentence + self.behind(records) + "."
        if not self.leading:
            yield "No comparison was measured on two kinds of machine, so nothing can be said of them together."

    def behind(self, records: list[dict[Any, Any]]) -> str:
        """Say how the reference compares with the framework that is nearest ahead, or behind it."""
        if (first := _nearest(records)) is None:
            return ""
        clause = f"; on the whole {words.short(first['framework'])} has {first['ratio']:.2f} times the speed of "
        clause += words.short(first["reference"])
        interval = words.between(first["low"], first["high"], words.ratio)
        return clause + (f" ({interval})" if interval else "")

    def parts(self) -> list[Part]:
        """Return the tables of means, that of what no headline is about folded."""
        made: list[Part] = []
        if self.leading:
            made += [_means("Over all machines", self.leading), Words([NOTE], style="note")]
        if self.others:
            made.append(_means("Every other comparison over all machines", self.others, folded=True))
        return made


def _nearest(records: list[dict[Any, Any]]) -> dict[Any, Any] | None:
    """Return the framework that the highest mean's lead is judged by: itself, or the second where it is the reference.

    None where a framework is alone.
    """
    return next((record for record in records[:2] if record["framework"] != record["reference"]), None)


def _sure(lines: pd.DataFrame) -> bool:
    """Return whether the interval of the ratio between the first and the reference, or the second, leaves out 1."""
    first = _nearest(lines.to_dict("records"))
    return first is not None and bool(first["low"] > 1 or first["high"] < 1)


def _means(caption: str, points: list[pd.DataFrame], folded: bool = False) -> Table:
    """Return the means of some points, a group each."""
    groups = []
    for cells in points:
        first = cells.iloc[0]
        shared = (
            words.short(first["recipe"], 40), str(first["device"]).upper(), f"batch {first['batch_size']}",
            words.short(first["dtype"]), words.short(first["dataset"], 40),
            DATA.get(str(first["input"]), words.short(first["input"])),
        )  # fmt: skip
        title = f"{', '.join(shared)}; ratio to {words.short(first['reference'])}"
        groups.append(columns.grouped(MEANS, cells, title))
    return Table(caption, MEANS, groups, folded, "" if folded else "means")
