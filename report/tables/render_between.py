"""A comparison of two sides as sections of text: what a person reads of what report/tables/between.py found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.errors import plain
from report.export.formats import Section
from report.tables.compare import COMPARISON
from report.tables.metrics import Metric
from report.tables.render import are_several, title

HEADINGS = {
    "framework": "framework", "mode": "mode", "base": "BASE", "base_interval": "95 % interval", "new": "NEW",
    "new_interval": "95 % interval", "ratio": "ratio", "ratio_interval": "95 % interval of the ratio",
    "verdict": "verdict", "times": "measured at", "noisy": "noisy", "difference": "accuracy difference",
    "difference_interval": "95 % interval", "accuracy_verdict": "verdict", "changes": "changed", "notes": "not ok",
}  # fmt: skip
NUMERIC = (
    "base", "base_interval", "new", "new_interval", "ratio", "ratio_interval", "difference", "difference_interval",
)  # fmt: skip
OPTIONAL = (
    "noisy",
    "difference",
    "difference_interval",
    "accuracy_verdict",
    "changes",
    "notes",
)  # left out where empty


def sections(table: pd.DataFrame, asked: Metric, sides: tuple[str, str] = ("BASE", "NEW")) -> Iterator[Section]:
    """Yield a section per comparison, and one of what changed in all cells alike; `sides` names the two."""
    everywhere = _common(table)
    names = dict(zip(("base", "new"), sides, strict=True))
    unit = f" ({asked.column.unit})" if asked.column.unit else ""
    several = are_several(table)
    for _, group in table.groupby(COMPARISON, sort=False):
        shared = title(group, several)
        lines = [_line(record, asked, everywhere) for record in group.to_dict("records")]
        headings = {
            name: names.get(name, heading)
            for name, heading in HEADINGS.items()
            if name not in OPTIONAL or any(cells[name] for cells in lines)
        }
        yield f"{shared}: {asked.name}{unit}", headings, lines
    if everywhere:
        yield "Changed in every cell of both sides", {"change": "change"}, [{"change": plain(c)} for c in everywhere]


def _common(table: pd.DataFrame) -> list[str]:
    """Return the changes that all cells of both sides share, if there are several."""
    both = table[(table["base_framework"].notna()) & (table["times"] != "")]
    found = [words.split("; ") if words else [] for words in both["changes"]]
    return [change for change in found[0] if all(change in other for other in found[1:])] if len(found) > 1 else []


def _line(record: dict[Any, Any], asked: Metric, everywhere: list[str]) -> dict[str, str]:
    """Return one line's cells as text, empty where there is nothing to say."""
    shown = {name: "" if pd.isna(record.get(name)) else str(record[name]) for name in HEADINGS}
    for side in ("base", "new"):
        shown[side] = _written(asked.form, record[f"{side}_median"])
        shown[f"{side}_interval"] = _written(asked.form, record[f"{side}_low"], record[f"{side}_high"])
    shown["ratio"] = _written("{:.3f}", record["ratio"])
    shown["ratio_interval"] = _written("{:.3f}", record["ratio_low"], record["ratio_high"])
    shown["difference"] = _written("{:+z.4f}", record["difference"])
    shown["difference_interval"] = _written("{:+z.4f}", record["difference_low"], record["difference_high"])
    if record["base_noisy"] or record["new_noisy"]:
        shown["noisy"] = " and ".join(f"{record[f'{s}_noisy']}/{record[f'{s}_launches']}" for s in ("base", "new"))
    changed = shown["changes"].split("; ")
    shown["changes"] = "; ".join(change for change in changed if change not in everywhere)
    return {name: plain(words) for name, words in shown.items()}


def _written(form: str, *values: Any) -> str:
    """Return a value, or an interval of two, empty where it is not known."""
    return "" if any(pd.isna(value) for value in values) else " to ".join(form.format(value) for value in values)
