"""How sure: launches, rounds, why measuring stopped, noise, and everything that was skipped or failed, with reasons."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from benchmarks.cli.terminal import DATA
from benchmarks.errors import count
from report.page import columns, words
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Part, Section, Table, Words
from report.tables.compare import CELL, COMPARISON

LONGEST_REASON = 400  # characters; the whole text stands in the row
MOST_PROBLEMS = 20


def _half_width(record: dict[Any, Any]) -> Cell:
    """Return half the width of a speed's interval, as a factor."""
    if not words.known(record["low"]):
        return Cell(words.NONE)
    return columns.quantity((float(record["high"]) / float(record["low"])) ** 0.5 - 1, lambda half: f"± {half:.1%}")


STOPS = (
    columns.NETWORK,
    columns.DEVICE,
    columns.BATCH,
    columns.DTYPE,
    Column("data", cell=lambda stop: Cell(DATA.get(str(stop.get("input")), words.short(stop.get("input"))))),
    columns.figure("rounds", "rounds"),
    columns.label("stopped because", "reason", LONGEST_REASON),
    columns.figure("ratios known to", "half_width", ".1%"),
)
NOT_OK = (
    columns.NAMED,
    columns.NETWORK,
    columns.DEVICE,
    columns.BATCH,
    columns.label("for", "task"),
    Column("status", cell=lambda record: Cell(words.short(record["status"]), style="bad")),
    columns.figure("launches", "launches"),
    Column("reason", cell=lambda record: Cell(record["reason"], style="long")),
)
NOISE = (
    columns.NAMED,
    columns.NETWORK,
    columns.DEVICE,
    columns.BATCH,
    columns.figure("launches", "launches"),
    Column("half-width", number=True, cell=_half_width),
    columns.figure("samples/s", "train_samples_per_s", words.speed),
    columns.figure("quiet samples/s", "quiet_samples_per_s", words.speed),
    columns.figure("quiet", "quiet"),
    Column("flags", cell=lambda record: Cell(words.short(words.text(record["flags"]) or words.NONE, 80))),
)


def section(inputs: Inputs) -> Section:
    """Return the section; what is not ok comes first."""
    rows = inputs.frame
    endings = Counter(str(status) for status in rows["status"])
    tally = ", ".join(f"{amount:,} {status}" for status, amount in endings.most_common())
    files = count(len(inputs.used), "results file")
    older, foreign = len(inputs.own) - len(rows), len(inputs.rows) - len(inputs.own)
    sentence = f"{count(len(rows), 'launch', 'launches')} from {files}: {tally}."
    if older:
        sentence += f" {count(older, 'launch', 'launches')} of configurations measured again later are not shown."
    if foreign:
        sentence += f" {count(foreign, 'launch', 'launches')} of other revisions' adapters are for `report compare`."
    parts: list[Part] = [Words([sentence]), _failures(rows)]
    if stops := inputs.records("stops"):
        group = columns.grouped(STOPS, stops)
        parts.append(Table("Why measuring stopped", STOPS, [group], folded=len(stops) > 20))
    parts += [_noise(inputs)] if len(inputs.timed) else []
    problems = [words.short(problem, 200) for sweep in inputs.sweeps for problem in sweep.problems]
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS:,} more"] if len(problems) > MOST_PROBLEMS else []
        parts += [Words(["Lines that could not be read:"]), Words([*problems[:MOST_PROBLEMS], *more], points=True)]
    return Section("sureness", "Launches, noise, and what failed", parts)


def _failures(rows: pd.DataFrame) -> Part:
    """Return what did not end ok: a line for each cell, task and status, with the reason most of them gave."""
    wrong = rows[rows["status"] != "ok"]
    if not len(wrong):
        return Words(["Nothing was skipped and nothing failed."])
    records = []
    for key, group in wrong.groupby([*CELL, "task", "status"], sort=False):
        record: dict[Any, Any] = dict(zip([*CELL, "task", "status"], key, strict=True))
        reasons = Counter(words.text(reason) for reason in group["reason"])
        [(reason, _), *others] = reasons.most_common()
        also = f" (and {count(len(others), 'other reason')})" if others else ""
        records.append(record | {"launches": len(group), "reason": words.short(reason, LONGEST_REASON) + also})
    return Table("Not ok, and why", NOT_OK, [columns.grouped(NOT_OK, records)], folded=len(records) > 20)


def _noise(inputs: Inputs) -> Table:
    """Return how sure each speed is, with and without noisy launches."""
    comparisons = [cells for _, cells in inputs.timed.groupby(COMPARISON, sort=False)]
    groups = [columns.grouped(NOISE, cells, words.comparison(cells.iloc[0])) for cells in comparisons]
    return Table("Launches and noise", NOISE, groups, folded=len(groups) > 4)
