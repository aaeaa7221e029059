"""Columns that tables share, each with its heading and what makes its cell; and tables of columns and records.

A record is a line of `compare`, or what stands beside rows in a results file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from benchmarks.cli.answer import FLOAT32_ONLY, is_float32_only
from benchmarks.stats import bound
from report.page import words
from report.page.parts import Cell, Column, Group, Line, Table, facets

PROVISIONAL = "provisional"  # where there are too few rounds for a verdict


def quantity(value: Any, form: str | Callable[[Any], str] = ",.0f", note: str = "") -> Cell:
    """Return a figure in a format, or as a function of words.py shows it; it sorts by its value, a missing one not."""
    shown = words.number(value, form) if isinstance(form, str) else form(value)
    return Cell(shown, note, float(value) if words.known(value) else None)


def label(text: str, name: str = "", longest: int = 24, style: str = "") -> Column:
    """Return a column of what records have as `name`, else as `text`."""
    return Column(text, cell=lambda record: Cell(words.short(record.get(name or text), longest), style=style))


def figure(text: str, name: str, form: str | Callable[[Any], str] = ",.0f") -> Column:
    """Return a column of the figure that records have as `name`."""
    return Column(text, "", True, lambda record: quantity(record.get(name), form))


def estimate(
    text: str,
    name: str,
    form: str | Callable[[Any], str],
    prefix: str,
    bounds: str | Callable[[float], str] = "",
    launches: str = "",
) -> Column:
    """Return a column of a figure with its interval, whose bounds' names begin with `prefix`, in a format or `form`.

    Where there is no interval it says how many `launches` the figure is of, where that column is named.
    """

    def cell(record: Any) -> Cell:
        interval = words.between(record[f"{prefix}low"], record[f"{prefix}high"], bounds or str(form))
        few = f"n = {record[launches]}" if launches and words.known(record.get(name)) else ""
        return quantity(record[name], form, interval or few)

    return Column(text, "95 % interval", True, cell)


def out_of(text: str, name: str, whole: str) -> Column:
    """Return a column of a count and what it is a part of: `2 of 3`."""

    def cell(record: Any) -> Cell:
        return quantity(record[name], lambda part: f"{part} of {record[whole]}" if words.known(part) else words.NONE)

    return Column(text, "", True, cell)


def verified_less(record: Any) -> str:
    """Return what stands beside a framework whose verdict is not the full one; empty where it is."""
    return FLOAT32_ONLY if is_float32_only(record) else ""


def _framework_and(heading: str, name: str) -> Column:
    """Return a column of frameworks, with what records have as `name` beneath, where that is known."""
    return Column(
        "framework", heading, False, lambda r: Cell(words.short(r["framework"]), words.short(words.text(r[name])))
    )


def _verdict(record: Any) -> Cell:
    """Return the verdict on a ratio, or why there is none."""
    return Cell(verdict(record["verdict"]) if words.known(record["ratio"]) and not is_reference(record) else "")


def verdict(found: Any) -> str:
    """Return a verdict, or what stands where there are too few rounds for one."""
    return words.text(found) or PROVISIONAL


def is_reference(record: Any) -> bool:
    """Return whether a cell is the one that its comparison's ratios are to."""
    return bool(words.known(record["ratio"]) and record["ratio"] == 1 and not words.known(record["ratio_low"]))


def grouped(columns: Sequence[Column], records: pd.DataFrame | Iterable[Any], title: str = "") -> Group:
    """Return a line of each record, filtered by the facets that it has."""
    found: Iterable[Any] = records.to_dict("records") if isinstance(records, pd.DataFrame) else records
    return Group([Line(tuple(column.cell(record) for column in columns), facets(record)) for record in found], title)


def folded(caption: str, columns: Sequence[Column], records: pd.DataFrame | Iterable[Any]) -> Table:
    """Return a table of records that the reader opens."""
    return Table(caption, columns, [grouped(columns, records)], folded=True)


def _speed(record: Any) -> Cell:
    """Return samples/s with half the width of their interval."""
    few = f"n = {record['launches']}"
    return quantity(record["train_samples_per_s"], words.speed, words.within(record["low"], record["high"]) or few)


def _against(record: Any) -> Cell:
    """Return the ratio to the best, and the verdict on it."""
    if not words.known(record["ratio"]) or is_reference(record):
        return quantity(record["ratio"], ".0f")
    return quantity(record["ratio"], words.ratio, verdict(record["verdict"]))


NAMED, VERSIONED = _framework_and("mode", "mode"), _framework_and("version", "framework_version")
FRAMEWORK = Column("framework", cell=lambda r: Cell(words.short(r["framework"]), verified_less(r)))
MODE, NETWORK = label("mode"), label("network", "recipe")
DEVICE, DTYPE, BATCH = label("device"), label("dtype"), figure("batch", "batch_size")
SPEED = estimate("samples/s", "train_samples_per_s", words.speed, "", ",.0f", "launches")
RATIO = estimate("ratio", "ratio", ".3f", "ratio_", bound)
VERDICT = Column("verdict", cell=_verdict)
FIVE = (  # as compare shows them first, too
    FRAMEWORK,
    MODE,
    Column("samples/s", "", True, _speed),
    Column("against the best", "", True, _against),
    figure("accuracy", "accuracy", ".4f"),
)
STYLES = {"pass": "good", "float32 only": ""}
LOCKSTEP = Column("verified", cell=lambda r: Cell(words.short(r["lockstep"]), style=STYLES.get(r["lockstep"], "bad")))
