"""One comparison table in the forms people read: terminal, Markdown, HTML. Numbers keep sensible digits."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from rich.markup import escape
from rich.table import Table

from benchmarks.bounds import BOUNDS, WIDER, Wider
from benchmarks.console import DATA, plain
from report.compare import COMPARISON

TEMPLATES = Path(__file__).parent / "templates"
HEADINGS = {
    "framework": "framework",
    "framework_version": "version",
    "mode": "mode",
    "launches": "launches",
    "train_samples_per_s": "train samples/s",
    "interval": "95 % interval",
    "ratio": "ratio",
    "ratio_interval": "95 % interval of the ratio",
    "verdict": "verdict",
    "gflops_per_s": "GFLOP/s",
    "mfu": "MFU",
    "eval_samples_per_s": "eval samples/s",
    "accuracy": "accuracy",
    "lockstep": "lockstep",
    "first_step_s": "first step s",
    "status": "status",
}
FORMATS = {
    "train_samples_per_s": "{:,.0f}", "eval_samples_per_s": "{:,.0f}", "gflops_per_s": "{:,.1f}", "mfu": "{:.1%}",
    "accuracy": "{:.4f}", "ratio": "{:.3f}", "first_step_s": "{:.2f}",
}  # fmt: skip


INTERVALS = ("launches", "interval", "ratio_interval")


def title(values: dict[str, Any]) -> str:
    """Return one line that says what a comparison's frameworks share."""
    return plain(
        f"{values['model']} ({values['recipe']} recipe), {values['dataset']}, batch {values['batch_size']}, "
        f"{values['dtype']}, {values['device']} ({values['device_name']}), {values['threads']} threads, "
        f"{DATA[values['pipeline']]}"
    )


def comparisons(table: pd.DataFrame) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield (title, lines) per comparison; each line maps HEADINGS' columns to text."""
    for key, group in table.groupby(COMPARISON, sort=False):
        yield title(dict(zip(COMPARISON, key, strict=True))), [line(record) for record in group.to_dict("records")]


def line(record: dict[Any, Any]) -> dict[str, str]:
    """Return one cell's figures as text, empty where there is none."""
    record = {**record, "interval": "", "ratio_interval": ""}
    if pd.notna(record["low"]):
        record["interval"] = f"{record['low']:,.0f}-{record['high']:,.0f}"
    if pd.notna(record["ratio_low"]):
        record["ratio_interval"] = f"{record['ratio_low']:.3f}-{record['ratio_high']:.3f}"
    return {
        name: "" if pd.isna(record[name]) else plain(FORMATS.get(name, "{}").format(record[name])) for name in HEADINGS
    }


def as_tables(table: pd.DataFrame) -> Iterator[Table]:
    """Yield one terminal table per comparison."""
    for heading, lines in comparisons(table):
        made = Table(title=escape(heading), title_justify="left")
        for name, text in HEADINGS.items():
            made.add_column(text, justify="right" if name in FORMATS or name in INTERVALS else "left")
        for cells in lines:
            made.add_row(*(escape(text) for text in cells.values()))
        yield made


def as_markdown(table: pd.DataFrame) -> str:
    """Return Markdown, a heading and a table per comparison; what a row says cannot end a table cell."""
    parts = []
    for heading, lines in comparisons(table):
        rows = [list(HEADINGS.values()), ["---"] * len(HEADINGS), *(list(cells.values()) for cells in lines)]
        body = "\n".join("| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in rows)
        parts.append(f"### {markdown_text(heading)}\n\n{body}\n")
    return "\n".join(parts)


def markdown_text(text: str) -> str:
    """Escape what Markdown or HTML would read as more than text."""
    text = " ".join(html.escape(text, quote=False).split())
    return "".join("\\" + c if c in "\\|`[]*_" else c for c in text)


def wider_bounds(table: pd.DataFrame) -> list[Wider]:
    """Return the wider bounds that cells of this table were proven with."""
    present = set(zip(table["framework"], table["dtype"], strict=True))
    return [wider for wider in WIDER if (wider.framework, wider.dtype) in present]


def as_page(table: pd.DataFrame, sweeps: list[str]) -> str:
    """Return the whole report as one HTML page that needs no network and runs no script."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html").render(
        headings=HEADINGS,
        comparisons=list(comparisons(table)),
        numeric=set(FORMATS),
        sweeps=sweeps,
        wider_bounds=wider_bounds(table),
        bounds=BOUNDS,
    )
