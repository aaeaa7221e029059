"""Columns that tables share, each with its heading and what makes its cell; and tables of columns and records.

A record is a line of `compare`, or what stands beside rows in a results file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from report.page import words
from report.page.parts import Cell, Column, Group, Line, Table, facets


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


def estimate(text: str, name: str, form: str | Callable[[Any], str], prefix: str, bounds: str = "") -> Column:
    """Return a column of a figure with its interval, whose bounds' names begin with `prefix`, in a format or `form`."""

    def cell(record: Any) -> Cell:
        low, high = record[f"{prefix}low"], record[f"{prefix}high"]
        return quantity(record[name], form, words.between(low, high, bounds or str(form)))

    return Column(text, "95 % interval", True, cell)


def out_of(text: str, name: str, whole: str) -> Column:
    """Return a column of a count and what it is a part of: `2 of 3`."""

    def cell(record: Any) -> Cell:
        return quantity(record[name], lambda part: f"{part} of {record[whole]}" if words.known(part) else words.NONE)

    return Column(text, "", True, cell)


def _framework_and(heading: str, name: str) -> Column:
    """Return a column of frameworks, with what records have as `name` beneath, where that is known."""
    return Column(
        "framework", heading, False, lambda r: Cell(words.short(r["framework"]), words.short(words.text(r[name])))
    )


def _verdict(record: Any) -> Cell:
    """Return the verdict on a ratio, or why there is none."""
    undecided = "too few rounds" if words.known(record["ratio_low"]) else ""
    return Cell(words.text(record["verdict"]) or undecided)


def grouped(columns: Sequence[Column], records: pd.DataFrame | Iterable[Any], title: str = "") -> Group:
    """Return a line of each record, filtered by the facets that it has."""
    found: Iterable[Any] = records.to_dict("records") if isinstance(records, pd.DataFrame) else records
    return Group([Line(tuple(column.cell(record) for column in columns), facets(record)) for record in found], title)


def folded(caption: str, columns: Sequence[Column], records: pd.DataFrame | Iterable[Any]) -> Table:
    """Return a table of records that the reader opens."""
    return Table(caption, columns, [grouped(columns, records)], folded=True)


NAMED, VERSIONED = _framework_and("mode", "mode"), _framework_and("version", "framework_version")
FRAMEWORK, MODE, NETWORK = label("framework"), label("mode"), label("network", "recipe")
DEVICE, DTYPE, BATCH = label("device"), label("dtype"), figure("batch", "batch_size")
SPEED = estimate("samples/s", "train_samples_per_s", words.speed, "", ",.0f")
VERDICT = Column("verdict", cell=_verdict)
LOCKSTEP = Column(
    "lockstep", cell=lambda r: Cell(words.short(r["lockstep"]), style="good" if r["lockstep"] == "pass" else "bad")
)
