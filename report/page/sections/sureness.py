"""How sure: launches, rounds, why measuring stopped, noise, and everything that was skipped or failed, with reasons."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from benchmarks.cli.terminal import DATA
from benchmarks.errors import count
from report.page import words
from report.page.inputs import Inputs, Record
from report.page.parts import Cell, Column, Group, Line, Part, Section, Table, Words, batch, facets, text_of, value_of
from report.tables.compare import CELL, COMPARISON

LONGEST_REASON = 400  # characters; the whole text stands in the row
MOST_PROBLEMS = 20
STOPS = (
    Column("network"), Column("device"), Column("batch", number=True), Column("dtype"), Column("data"),
    Column("rounds", number=True), Column("stopped because"), Column("ratios known to", number=True),
)  # fmt: skip
NOT_OK = (
    Column("framework", "mode"), Column("network"), Column("device"), Column("batch", number=True), Column("for"),
    Column("status"), Column("launches", number=True), Column("reason"),
)  # fmt: skip
NOISE = (
    Column("framework", "mode"), Column("network"), Column("device"), Column("batch", number=True),
    Column("launches", number=True), Column("half-width", number=True), Column("samples/s", number=True),
    Column("quiet samples/s", number=True), Column("quiet", number=True), Column("flags"),
)  # fmt: skip


def section(inputs: Inputs) -> Section:
    """Return the section; what is not ok comes first."""
    rows = inputs.frame
    endings = Counter(str(status) for status in rows["status"])
    tally = ", ".join(f"{amount:,} {status}" for status, amount in endings.most_common())
    files = count(len(inputs.used), "results file")
    older, foreign = len(inputs.own) - len(rows), len(inputs.rows) - len(inputs.own)
    sentence = f"{count(len(rows), 'launch', 'launches')} from {files}: {tally}."
    if older:
        sentence += f" {count(older, 'launch', 'launches')} of cells that were measured again later are not shown."
    if foreign:
        sentence += f" {count(foreign, 'launch', 'launches')} of other revisions' adapters are for `report compare`."
    parts: list[Part] = [Words([sentence]), _failures(rows)]
    parts += [_stops(found)] if (found := inputs.records("stops")) else []
    parts += [_noise(inputs)] if len(inputs.timed) else []
    problems = [words.short(problem, 200) for sweep in inputs.sweeps for problem in sweep.problems]
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS:,} more"] if len(problems) > MOST_PROBLEMS else []
        parts += [Words(["Lines that could not be read:"]), Words([*problems[:MOST_PROBLEMS], *more], points=True)]
    return Section("sureness", "How sure is this?", parts)


def _failures(rows: pd.DataFrame) -> Part:
    """Return what did not end ok: a line for each cell, task and status, with the reason most of them gave."""
    wrong = rows[rows["status"] != "ok"]
    if not len(wrong):
        return Words(["Nothing was skipped and nothing failed."])
    lines = []
    for key, group in wrong.groupby([*CELL, "task", "status"], sort=False):
        record: dict[Any, Any] = dict(zip([*CELL, "task", "status"], key, strict=True))
        reasons = Counter(text_of(reason) for reason in group["reason"])
        [(reason, _), *others] = reasons.most_common()
        also = f" (and {count(len(others), 'other reason')})" if others else ""
        cells = (
            Cell(words.short(record["framework"]), words.short(record["mode"])),
            Cell(words.short(record["recipe"])),
            Cell(str(record["device"])),
            batch(record["batch_size"]),
            Cell(words.short(record["task"])),
            Cell(words.short(record["status"]), style="bad"),
            Cell(f"{len(group):,}", value=float(len(group))),
            Cell(words.short(reason, LONGEST_REASON) + also, style="long"),
        )
        lines.append(Line(cells, facets(record)))
    return Table("Not ok, and why", NOT_OK, [Group(lines)], folded=len(lines) > 20)


def _stops(found: list[Record]) -> Table:
    """Return why each comparison was measured no further."""
    lines = []
    for stop in found:
        half_width, rounds = stop.get("half_width"), stop.get("rounds")
        cells = (
            Cell(words.short(stop.get("recipe"))),
            Cell(words.short(stop.get("device"))),
            batch(stop.get("batch_size")),
            Cell(words.short(stop.get("dtype"))),
            Cell(DATA.get(str(stop.get("input")), words.short(stop.get("input")))),
            Cell(words.number(rounds), value=value_of(rounds)),
            Cell(words.short(stop.get("reason"), LONGEST_REASON)),
            Cell(words.number(half_width, ".1%"), value=value_of(half_width)),
        )
        lines.append(Line(cells, facets(stop, "device", "batch")))
    return Table("Why measuring stopped", STOPS, [Group(lines)], folded=len(lines) > 20)


def _noise(inputs: Inputs) -> Table:
    """Return how sure each speed is, with and without noisy launches."""
    groups = []
    for _, cells in inputs.timed.groupby(COMPARISON, sort=False):
        groups.append(
            Group([_noise_line(record) for record in cells.to_dict("records")], words.comparison(cells.iloc[0]))
        )
    return Table("Launches and noise", NOISE, groups, folded=len(groups) > 4)


def _noise_line(record: dict[Any, Any]) -> Line:
    """Return one cell's line of that table."""
    half = (float(record["high"]) / float(record["low"])) ** 0.5 - 1 if words.precision(record["low"]) else None
    quiet = record["quiet_samples_per_s"]
    cells = (
        Cell(words.short(record["framework"]), words.short(record["mode"])),
        Cell(words.short(record["recipe"])),
        Cell(str(record["device"])),
        batch(record["batch_size"]),
        Cell(f"{record['launches']:,}", value=float(record["launches"])),
        Cell(f"± {half:.1%}" if half is not None else words.NONE, value=half),
        Cell(words.speed(record["train_samples_per_s"]), value=float(record["train_samples_per_s"])),
        Cell(words.speed(quiet), value=value_of(quiet)),
        Cell(f"{record['quiet']:,}", value=float(record["quiet"])),
        Cell(words.short(text_of(record["flags"]) or words.NONE, 80)),
    )
    return Line(cells, facets(record))
