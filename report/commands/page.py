"""`page`: the comparison as a page and as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import ROOT
from report import render
from report.commands.terminal import RESULTS, Base, Results, loaded, out
from report.compare import compare, newest


def page(
    results: Results = RESULTS,
    out_dir: Annotated[Path, typer.Option("--out", help="folder for report.html and report.md")] = ROOT / "report/out",
    base: Base = None,
) -> None:
    """Write the comparison as a page (HTML) and as Markdown."""
    frame = loaded(results)
    table = compare(frame, base)
    out_dir.mkdir(parents=True, exist_ok=True)
    sweeps = sorted(set(newest(frame)["sweep"]))
    for name, text in (("report.html", render.as_page(table, sweeps)), ("report.md", render.as_markdown(table))):
        (out_dir / name).write_text(text)
        out.print(f"wrote {out_dir / name}", highlight=False, soft_wrap=True)
