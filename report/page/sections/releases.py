"""Release by release: each against the oldest of its framework in the same rounds; and wrappers against theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from benchmarks.errors import UsageError
from report.page import columns, words
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Part, Section, Table, Words
from report.tables.between import versions, wrappers

NOTE = (
    "Ratios are taken within rounds, and their intervals hold for all lines of a table at once. Each release has a "
    "proof of its own: where its arithmetic is another, its deviation from the reference in float64 stands among what "
    "changed. Beside a verdict stands the slow-down that so many rounds find nine times in ten."
)
LONGEST = 300


def _against(record: Any) -> Cell:
    """Return what a cell stands against, and how fast that is."""
    return Cell(
        words.short(words.text(record["base_framework"])), columns.quantity(record["base_middle"], words.speed).text
    )


def _verdict(record: Any) -> Cell:
    """Return the verdict, or why there is none, and the slow-down that would have been found."""
    return Cell(columns.verdict(record["verdict"]), columns.quantity(record["findable"], ".1%").text)


def _changes(record: Any) -> Cell:
    """Return what else differs, and how launches ended that did not end ok."""
    return Cell(words.short("; ".join(filter(None, [record["changes"], record["notes"]])), LONGEST), style="long")


LINES = (
    columns.NAMED,
    Column("network", "device", cell=lambda record: Cell(words.short(record["recipe"]), words.short(record["device"]))),
    columns.BATCH,
    Column("against", "samples/s", cell=_against),
    columns.estimate("samples/s", "new_middle", words.speed, "new_", ",.0f", "new_launches"),
    columns.RATIO,
    Column("verdict", "would be found", cell=_verdict),
    Column("changed with it", cell=_changes),
)


def section(inputs: Inputs) -> Section | None:
    """Return the section; None where no framework has two releases, nor one of its wrappers, beside it."""
    tables = [*_table("Releases, against the oldest", versions, inputs), *_table("Wrappers", wrappers, inputs)]
    parts: list[Part] = [Words([NOTE], style="note"), *tables]
    return Section("releases", "Releases and wrappers", parts) if tables else None


def _table(caption: str, compared: Callable[[pd.DataFrame], pd.DataFrame], inputs: Inputs) -> Iterator[Table]:
    """Yield the table of what is compared so; nothing where there is no such thing."""
    try:
        found = compared(inputs.own)
    except UsageError:
        return
    yield Table(caption, LINES, [columns.grouped(LINES, found)])
