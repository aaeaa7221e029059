"""`compare`: the frameworks of one set beside each other, or BASE against NEW, and the gate on the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.console import plain
from benchmarks.errors import UsageError
from benchmarks.options import values
from report import between, between_tables, formats, regressions, render
from report.commands.terminal import RESULTS, Base, Results, deliver, err, loaded, out
from report.compare import NEEDED, compare, first_comparisons
from report.formats import FORMATS
from report.load import records
from report.matching import AXES
from report.metrics import DEFAULT, Metric, metric
from report.sides import READ

BY = ("sets", "framework", "revision")
SET = "a folder, a file, or a git revision of results/"


def compare_sets(
    base_set: Annotated[str | None, typer.Argument(metavar="BASE", help=SET, show_default=False)] = None,
    new_set: Annotated[str | None, typer.Argument(metavar="NEW", help=SET, show_default=False)] = None,
    results: Results = RESULTS,
    base: Base = None,
    by: Annotated[str | None, typer.Option(help=f"{', '.join(BY)}; default: sets with two, else framework")] = None,
    name: Annotated[str, typer.Option("--metric", help="any numeric column of a row")] = DEFAULT,
    across: Annotated[list[str] | None, typer.Option(help=f"compare although these differ: {', '.join(AXES)}")] = None,
    fail_on: Annotated[str | None, typer.Option(help=f"a gate: {', '.join(regressions.RULES)}, slower:5%")] = None,
    form: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "table",
    out_file: Annotated[Path | None, typer.Option("--out", help="file to write instead of showing")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="every comparison, however many")] = False,
) -> None:
    """Show BASE against NEW, cell by cell; with one set or none, the frameworks of that set or of --results.

    Exit code: 0 fine, 1 a regression by --fail-on, 2 usage, no such set, or nothing that the gate could judge, 74 a
    file that cannot be read or an output that cannot be written, 141 a reader that left (`| head`).
    """
    asked, axes, form = metric(name), values(across, [], list(AXES), "axis"), formats.known(form)
    how = mode(base_set, new_set, by, base, fail_on, axes)
    gate = regressions.rules(fail_on, asked) if fail_on is not None else []
    source = base_set or results
    if how == "framework" and name == DEFAULT:
        table = compare(loaded(source, NEEDED, categories=True), base)
        show(table, form, out_file, show_all, asked, None)
        return
    if how == "framework":
        table, sides = between.frameworks(loaded(source, [*READ, name]), name, base), ("reference", "this")
    elif how == "revision":
        table, sides = between.revisions(loaded(source, [*READ, name]), name), ("revision", "checkout")
    else:
        sets = (source, new_set or "")
        pair = [loaded(found, [*READ, name]) for found in sets]
        table = between.between(pair[0], pair[1], name, axes, (records(sets[0]), records(sets[1])))
        sides = ("BASE", "NEW")
    show(table, form, out_file, show_all, asked, sides)
    if gate:
        conclude(regressions.judge(table, gate, asked))


def mode(
    base_set: str | None, new_set: str | None, by: str | None, base: str | None, fail_on: str | None, axes: list[str]
) -> str:
    """Return how to compare, one of BY; UsageError for options that do not go together."""
    [how] = values([] if by is None else [by], ["sets" if new_set else "framework"], BY, "--by")
    if how == "sets" and not (base_set and new_set):
        raise UsageError("--by sets: expected two sets, BASE and NEW; `compare BASE NEW`")
    if how != "sets" and new_set:
        raise UsageError(f"--by {how} looks inside one set, two were given; leave NEW out, or leave --by {how} out")
    if how == "framework" and fail_on is not None:
        raise UsageError("--fail-on: a gate needs BASE and NEW, or --by revision; frameworks are no regressions")
    if how != "sets" and axes:
        raise UsageError("--across is about BASE and NEW; inside one set it means nothing")
    if how != "framework" and base:
        raise UsageError(f"--base names a framework of one set; leave it out with --by {how}")
    return how


def show(
    table: pd.DataFrame, form: str, path: Path | None, everything: bool, asked: Metric, sides: tuple[str, str] | None
) -> None:
    """Print or write a table in the form asked for; a terminal gets the first comparisons unless asked for all."""
    left_out = ""
    if form == "table" and not path and not everything:
        table, left_out = first_comparisons(table)
    sections = between_tables.sections(table, asked, sides) if sides else render.sections(table)
    numeric = between_tables.NUMERIC if sides else render.NUMERIC
    if form != "table":
        deliver(formats.text(form, table, sections, numeric), path)
    elif path:
        deliver(formats.plain_tables(sections, numeric), path)
    else:
        for made in formats.terminal(sections, numeric):
            out.print(made)
    if left_out:
        out.print(left_out, highlight=False)


def conclude(outcome: regressions.Outcome) -> None:
    """Say what the gate found, on stderr, and end with its exit code."""
    for words in outcome.unjudged:
        err.print(plain(f"not judged: {words}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    for words in outcome.regressions:
        err.print(plain(words), style="red", markup=False, highlight=False, soft_wrap=True)
    if outcome.regressions:
        raise typer.Exit(1)
    if not outcome.judged:
        raise UsageError("--fail-on: nothing could be judged; measure more rounds, or compare sets that share cells")
