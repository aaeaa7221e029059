"""Cells of tables that several sections show alike."""

from __future__ import annotations

from typing import Any

from report.page import words
from report.page.parts import Cell


def verdict(record: dict[Any, Any]) -> str:
    """Return the verdict on a ratio, or why there is none."""
    undecided = "too few rounds" if words.known(record["ratio_low"]) else ""
    return text_of(record["verdict"]) or undecided


def ratio(record: dict[Any, Any]) -> Cell:
    """Return a ratio with its interval."""
    interval = words.between(record["ratio_low"], record["ratio_high"], ".3f")
    return Cell(words.number(record["ratio"], ".3f"), interval, value_of(record["ratio"]))


def value_of(number: Any) -> float | None:
    """Return what a cell is sorted by, nothing where there is no figure."""
    return float(number) if words.known(number) else None


def text_of(text: Any) -> str:
    """Return text that may be missing."""
    return str(text) if words.known(text) else ""


def lockstep(verdict: Any) -> Cell:
    """Return the gate's verdict."""
    return Cell(words.short(verdict), style="good" if verdict == "pass" else "bad")


def batch(size: Any) -> Cell:
    """Return a batch size."""
    return Cell(words.number(size), value=value_of(size))
