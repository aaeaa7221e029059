"""From session to session: the speed of each cell, and since when it is another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.errors import UsageError
from report.page import columns, words
from report.page.inputs import Inputs, alike
from report.page.parts import Cell, Chart, Charts, Column, Part, Section, Table, Words, facets
from report.tables.compare import CELL, COMPARISON
from report.tables.history import FEWEST_SESSIONS, change, history, origin, seen

NOTE = (
    "A session is one sample: sessions differ by more than the launches within one, whose interval is the band. A step "
    "is a level that stays, looked for in all sessions of a configuration together; of 100 pages without a step 95 "
    "have none. The machine's own drift is taken out where its canary tells of it. "
    f"Fewer than {FEWEST_SESSIONS} sessions are shown and not searched."
)
NONE_FOUND = "No step was found. The table says how small a one would have been, configuration by configuration."


def _change(record: Any) -> Cell:
    """Return a step's size with its interval."""
    size, _, interval = change(record).partition(" [")
    return Cell(size, interval.rstrip("]"), float(record["step"]))


def _seen(record: Any) -> Cell:
    """Return the smallest step that would have been found; nothing where none was looked for."""
    return Cell(seen(record) if words.known(record["smallest"]) else words.NONE)


CELLS = (columns.NAMED, columns.NETWORK, columns.DEVICE, columns.BATCH, columns.label("input"))
STEPS = (
    *CELLS,
    Column("since", cell=lambda record: Cell(words.short(origin(record), 60))),
    Column("change", "95 % interval", True, _change),
    columns.label("changed with it", "changes", longest=300, style="long"),
)
SEARCHED = (
    *CELLS,
    columns.figure("sessions", "sessions"),
    columns.figure("steps", "steps"),
    columns.figure("noise of a session", "noise", ".1%"),
    Column("found 9 times in 10", "", True, _seen),
)


def section(inputs: Inputs) -> Section | None:
    """Return the section: lines for the headline's comparisons, the steps; None where no cell has two sessions."""
    if inputs.own["session"].nunique() < 2:
        return None
    try:
        table = history(inputs.own, records=inputs.sweeps)
    except UsageError:  # several sessions, each of other cells
        return None
    charts = [made for headline in inputs.headline for made in _chart(table, headline.iloc[0])]
    found = table[table["step"].notna()]
    cells = table.groupby(CELL, sort=False)
    last = table[~table.duplicated(CELL, keep="last")].assign(steps=cells["step"].transform("count"))
    parts: list[Part] = [Charts(charts)] if charts else []
    parts.append(Words([NOTE], style="note"))
    if len(found):
        parts.append(Table("Steps", STEPS, [columns.grouped(STEPS, found)]))
    elif last["smallest"].notna().any():
        parts.append(Words([NONE_FOUND]))
    parts.append(columns.folded("Where steps were looked for", SEARCHED, last))
    return Section("history", "History", parts)


def _chart(table: pd.DataFrame, first: pd.Series[Any]) -> Iterator[Chart]:
    """Yield the chart of one comparison: each cell's speed against that of its first session."""
    cells = table[alike(table, first, COMPARISON)]
    days = {session: place for place, session in enumerate(sorted(cells["session"].unique()), 1)}
    records = []
    for _, lines in cells.groupby(["framework", "mode"], sort=False):
        begin = float(lines["middle"].iloc[0])
        for line in lines.to_dict("records"):
            name = f"{words.short(line['framework'], 14)}, {words.short(line['mode'], 10)}"
            shown = f"{name}, {words.short(origin(line), 60)}: {words.speed(line['middle'])} samples/s"
            bounds = {end: bound / begin for end, bound in words.drawn(line["low"], line["high"]).items()}
            records.append(
                facets(line, "framework", "mode")
                | {"at": days[line["session"]], "value": float(line["middle"]) / begin, "hint": shown}
                | bounds
            )
    if records:
        caption = f"{words.short(first['model'])}, batch {int(first['batch_size']):,}: speed by session"
        summary = f"{len(days):,} sessions, oldest first; the band is each session's own 95 % interval."
        yield Chart("history", records, caption, summary, facets(first, "model", "device", "batch"))
