"""What several kinds of machine say together: who is ahead, by geometric means of ratios that were taken on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.cli.terminal import DATA
from benchmarks.errors import count
from report.page import columns, words
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Part, Table, Words
from report.page.sections.headline import UNSURE, led
from report.page.sections.machines import Machine
from report.tables.over_machines import POINT, over_machines


def _on_one(record: dict[Any, Any]) -> Cell:
    """Return the least and the largest ratio; to itself the reference's is 1 everywhere, which needs no words."""
    itself = record["framework"] == record["reference"]
    between = "" if itself else words.between(record["least"], record["most"], ".3f")
    return Cell(between, value=float(record["least"]))


COLUMNS = (
    columns.FRAMEWORK,
    columns.estimate("mean ratio", "ratio", ".3f", ""),
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
        leads = [cells.iloc[0] for machine in machines for cells in machine.inputs.headline]
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
        interval = words.between(first["low"], first["high"], ".2f")
        return clause + (f" ({interval})" if interval else "")

    def parts(self) -> list[Part]:
        """Return the tables of means, that of what no headline is about folded."""
        made: list[Part] = []
        if self.leading:
            made += [_table("Over all machines", self.leading), Words([NOTE], style="note")]
        if self.others:
            made.append(_table("Every other comparison over all machines", self.others, folded=True))
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


def _table(caption: str, points: list[pd.DataFrame], folded: bool = False) -> Table:
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
        groups.append(columns.grouped(COLUMNS, cells, title))
    return Table(caption, COLUMNS, groups, folded, "" if folded else "means")
