"""The commands of `python -m report`: they read sets of results, and show, write or judge what other modules find."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from benchmarks import errors
from benchmarks.checks import Finding
from benchmarks.cli import answer, options, terminal
from benchmarks.cli.answer import Section, answers
from benchmarks.cli.micro import MICRO_RESULTS
from benchmarks.cli.options import what, where
from benchmarks.cli.program import program
from benchmarks.errors import StorageError, UsageError, plain
from benchmarks.machine import git
from benchmarks.machine.environments import ROOT
from benchmarks.plan import suspects
from benchmarks.plan.typed import numbers, values
from benchmarks.record import store
from benchmarks.record.ratios import Flags
from benchmarks.record.schema import COLUMNS
from benchmarks.record.summary import Comparison
from report import formats, micro
from report.export import EXPORTS, WHOLE, exported
from report.formats import FORMATS, as_csv
from report.page.document import as_markdown, build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections.machines import machines
from report.results import rules, submissions
from report.results.load import EACH, load, records
from report.tables import between, render
from report.tables import history as steps
from report.tables.compare import (
    REQUIRED_COLUMNS,
    busy_words,
    compare,
    comparisons,
    first_comparisons,
    only,
    own_rows,
    shown_rows,
)
from report.tables.gate import RULES, Outcome, gate_rules, judge
from report.tables.metrics import DEFAULT, Metric, metric
from report.tables.sides import AXES, READ

out, err = terminal.terminal(), terminal.terminal(stderr=True)
Only = Annotated[list[str] | None, what("Only these; repeatable, or comma-separated.", "NAME,...")]
Base = Annotated[
    str | None, what("Framework to compare with. Default: the fastest, and numpy in accuracy.", "FRAMEWORK")
]


def _loaded(
    source: str | Path,
    columns: Sequence[str] | None = None,
    categories: bool = False,
    which: Callable[[pd.DataFrame], Flags] | None = None,
) -> pd.DataFrame:
    """Return a set's rows as load does; UsageError if there are none, with the folders below that have some."""
    frame = load(source, columns, categories, which)
    if frame.empty:
        others = sorted({str(path.parent) for path in Path(source).glob("*/*.jsonl")})
        below = f"; there are some in {', '.join(_shortest(Path(other)) for other in others)}" if others else ""
        raise UsageError(f"no rows in {source}; make some with `tox -e bench`, or pass --results DIR{below}")
    return frame


def _shortest(path: Path) -> str:
    """Return a path as it is typed from the root of the checkout."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _deliver(content: str | bytes, path: Path | None) -> None:
    """Write to a file and say so, or to the output as it is; StorageError where it cannot be written."""
    data = content.encode() if isinstance(content, str) else content
    if path is None:
        sys.stdout.buffer.write(data)  # for programs: no wrapping, no colours
        sys.stdout.flush()
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    err.print(errors.plain(f"wrote {path}"), markup=False, highlight=False, soft_wrap=True)


BY = ("sets", "framework", "revision", "version", "wrapper")
SET = "A folder, a file, or a git revision of results/."
shown = options.group("How it is shown")
MetricName = Annotated[str, what("Any numeric column of a row.", "COLUMN", name="--metric")]
Form = Annotated[str, shown(f"{', '.join(FORMATS)}.", "NAME", name="--format")]
OutFile = Annotated[Path | None, shown("File to write in place of showing.", "FILE", name="--out")]


def compare_sets(
    base_set: Annotated[str | None, typer.Argument(metavar="BASE", help=SET, show_default=False)] = None,
    new_set: Annotated[str | None, typer.Argument(metavar="NEW", help=SET, show_default=False)] = None,
    results: options.Results = options.RESULTS,
    base: Base = None,
    by: Annotated[
        str | None, what(f"{', '.join(BY)}. Default: sets where two are given, else framework.", "NAME")
    ] = None,
    name: MetricName = DEFAULT,
    across: Annotated[list[str] | None, what(f"Compare although these differ: {', '.join(AXES)}.", "NAME,...")] = None,
    fail_on: Annotated[str | None, what(f"A gate: {', '.join(RULES)}, slower:5%.", "RULE,...")] = None,
    suspected: Annotated[
        Path | None,
        what(
            "File for what the gate finds, to be measured again: `benchmarks run --confirm`.", "FILE", name="--suspects"
        ),
    ] = None,
    show_all: Annotated[bool, shown("Every comparison, however many.", name="--all")] = False,
    form: Form = "table",
    out_file: OutFile = None,
    framework: Only = None,
    model: Only = None,
    batch_size: Only = None,
    mode: Only = None,
    wide: Annotated[bool, shown("All columns, however wide the terminal is.", name="--wide")] = False,
    details: Annotated[bool, shown("Also all modes, accuracies, noise and times.", name="--details")] = False,
) -> None:
    """Show BASE against NEW, cell by cell; with one set or none, the frameworks of that set or of --results.

    Exit code: 0 fine, 1 a regression by --fail-on, 2 usage, no such set, or nothing that the gate could judge, 74 a
    file that cannot be read or an output that cannot be written, 141 a reader that left (`| head`).
    """
    asked, axes, form = metric(name), values(across, [], list(AXES), "axis"), formats.known_form(form)
    how = _mode(base_set, new_set, by, base, fail_on, axes)
    if suspected and (fail_on is None or how == "sets"):
        raise UsageError("--suspects needs --fail-on, and --by revision or version: one sweep that can be made again")
    gate = gate_rules(fail_on, asked) if fail_on is not None else []
    wanted = _wanted(framework, model, batch_size, mode)
    found = _compared(how, [found for found in (base_set or results, new_set) if found], name, base, axes, wanted)
    if details and found.sides:
        raise UsageError("--details are about the frameworks of one set, by their speed; leave it out")
    where = out if form == "table" and not out_file else err  # a program that reads a form gets the form alone
    for words in found.warnings if asked.task == "speed" else []:
        terminal.tell(where, words, style="yellow")
    left_out = ""
    if form == "table" and not out_file and not show_all:
        shown, left_out = first_comparisons(found.table)
        found = replace(found, table=shown)
    if form == "table" and not out_file:
        _show(found, asked, wide, details, left_out)
    else:
        sections = [*formats.filled(found.first(asked)), *(formats.filled(found.others()) if details else [])]
        is_table = form == "table"
        _deliver(
            formats.plain_tables(sections, render.NUMERIC)
            if is_table
            else formats.text(form, found.table, sections, render.NUMERIC),
            out_file,
        )
    if gate:
        _conclude(judge(found.table, gate, asked), suspected)


def _wanted(
    framework: list[str] | None, model: list[str] | None, batch_size: list[str] | None, mode: list[str] | None
) -> dict[str, Sequence[str | int]]:
    """Return the values that launches must have, by column."""
    return {
        "framework": values(framework, [], what="framework"),
        "model": values(model, [], what="model"),
        "batch_size": numbers(batch_size, [], "--batch-size", sys.maxsize),
        "mode": values(mode, [], what="mode"),
    }


@dataclass(frozen=True)
class Compared:
    """A table of lines; what its sides are called (None: it is one set's, by speed), and which sets were noisy."""

    table: pd.DataFrame
    sides: tuple[str, str] | None
    warnings: list[str]
    frame: pd.DataFrame
    base: str | None

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Its comparisons, where it is one set's."""
        return [] if self.sides else comparisons(self.frame, self.table, self.base)

    def first(self, asked: Metric) -> Iterator[Section]:
        """Yield the sections that stand first."""
        if self.sides:
            return render.sides(self.table, asked, self.sides)
        return render.front(self.comparisons, self.table, self.base)

    def others(self) -> Iterator[Section]:
        """Yield the sections of --details."""
        return render.sections(self.table)


def _compared(
    how: str,
    sets: Sequence[str | Path],
    name: str,
    base: str | None,
    axes: Sequence[str],
    wanted: Mapping[str, Sequence[str | int]],
) -> Compared:
    """Return the table that was asked for, of the launches that are wanted."""
    if how == "framework" and name == DEFAULT:
        frame = only(_loaded(sets[0], REQUIRED_COLUMNS, categories=True, which=shown_rows), wanted)
        return Compared(compare(frame, base), None, _noisy({"": frame}), own_rows(frame), base)
    frames = [only(_loaded(found, [*READ, name]), wanted) for found in sets]
    if how == "framework":
        table, sides = between.frameworks(frames[0], name, base), ("reference", "this")
    elif how == "revision":
        table, sides = between.revisions(frames[0], name), ("revision", "checkout")
    elif how == "version":
        table, sides = between.versions(frames[0], name, base == "newest"), (base or "oldest", "this")
    elif how == "wrapper":
        table, sides = between.wrappers(frames[0], name), ("framework", "wrapper")
    else:
        sweeps = records(sets[0]), records(sets[1])
        table, sides = between.between(frames[0], frames[1], name, axes, sweeps), ("BASE", "NEW")
    named = ("BASE: ", "NEW: ") if how == "sets" else ("",)
    return Compared(table, sides, _noisy(dict(zip(named, frames, strict=True))), frames[0], base)


def _noisy(frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return a sentence for each set that a busy machine measured, after its name."""
    return [name + words for name, frame in frames.items() if (words := busy_words(frame))]


def _mode(
    base_set: str | None, new_set: str | None, by: str | None, base: str | None, fail_on: str | None, axes: list[str]
) -> str:
    """Return how to compare, one of BY; UsageError for options that do not go together."""
    [how] = values([] if by is None else [by], ["sets" if new_set else "framework"], BY, "--by")
    if how == "sets" and not (base_set and new_set):
        raise UsageError("--by sets: expected two sets, BASE and NEW; `compare BASE NEW`")
    if how != "sets" and new_set:
        raise UsageError(f"--by {how} looks inside one set, two were given; leave NEW out, or leave --by {how} out")
    if how == "framework" and fail_on is not None:
        raise UsageError(
            "--fail-on: a gate needs BASE and NEW, or --by revision, version or wrapper; frameworks are no regressions"
        )
    if how != "sets" and axes:
        raise UsageError("--across is about BASE and NEW; inside one set it means nothing")
    if how == "version" and base not in (None, "oldest", "newest"):
        raise UsageError(f"--base {base}: with --by version it is oldest or newest")
    if how not in ("framework", "version") and base:
        raise UsageError(f"--base names a framework of one set; leave it out with --by {how}")
    return how


def _show(found: Compared, asked: Metric, wide: bool, details: bool, left_out: str) -> None:
    """Print tables with as many columns as the terminal has room for, then who is fastest and what is left out."""
    width = None if wide else out.width
    sections = list(formats.filled(found.first(asked)))
    first = render.SIDES_FIRST if found.sides else answer.first(*sections)
    made = list(formats.terminal(sections, render.NUMERIC, width, first, render.BELOW))
    shown = [len(table.columns) for table in made if isinstance(table, Table)]
    narrow = any(
        len(set(headings) - set(render.BELOW)) > columns
        for (_, headings, _), columns in zip(sections, shown, strict=True)
    )
    if details:
        made += formats.terminal(formats.filled(found.others()), render.NUMERIC, width)
    terminal.show(out, made)
    for words in answers(found.comparisons):
        terminal.tell(out, words)
    more = ["--wide shows more columns"] if narrow else []
    more += ["--details shows all modes, accuracies, noise, times"] if not details and not found.sides else []
    for words in filter(None, [left_out, "; ".join(more)]):
        terminal.tell(out, words, style="dim")


def _conclude(outcome: Outcome, suspected: Path | None) -> None:
    """Say what the gate found, on stderr, write its suspects where that is asked for, and end with its exit code."""
    for words in outcome.unjudged:
        err.print(plain(f"not judged: {words}"), style="yellow", markup=False, highlight=False, soft_wrap=True)
    for words in outcome.regressions:
        err.print(plain(words), style="red", markup=False, highlight=False, soft_wrap=True)
    if suspected and suspects.write(suspected, outcome.suspects):
        words = f"measure these again: the same `run`, with --confirm {plain(str(suspected))} and another --results"
        err.print(words, markup=False, highlight=False, soft_wrap=True)
    if outcome.regressions:
        raise typer.Exit(1)
    if not outcome.judged:
        raise UsageError("--fail-on: nothing could be judged; measure more rounds, or compare sets that share cells")


def history(
    results: options.Results = options.RESULTS,
    name: MetricName = DEFAULT,
    show_all: Annotated[bool, shown("Every configuration, however many.", name="--all")] = False,
    form: Form = "table",
    out_file: OutFile = None,
    framework: Only = None,
    model: Only = None,
    batch_size: Only = None,
    mode: Only = None,
) -> None:
    """Show what each session measured of every configuration, and since when one is faster or slower.

    In 95 % of tables without a step none is found. Where none is, a line says how small a one would have been.
    """
    asked, form = metric(name), formats.known_form(form)
    wanted = _wanted(framework, model, batch_size, mode)
    table = steps.history(only(_loaded(results, [*steps.COLUMNS, name], True), wanted), name, records(results))
    on_screen, left_out = form == "table" and not out_file, ""
    if on_screen and not show_all:
        table, left_out = first_comparisons(table)
    sections = list(formats.filled(render.sessions(table, asked)))
    if not on_screen:
        made = [*sections, render.findings(table)]
        is_table = form == "table"
        _deliver(
            formats.plain_tables(made, render.NUMERIC) if is_table else formats.text(form, table, made, render.NUMERIC),
            out_file,
        )
        return
    terminal.show(out, formats.terminal(sections, render.NUMERIC, out.width, render.SESSIONS_FIRST))
    for words in steps.sentences(table):
        terminal.tell(out, words)
    if left_out:
        terminal.tell(out, left_out, style="dim")


def page(
    results: options.Results = options.RESULTS,
    out: Annotated[
        Path, where("The page; .md and .csv go beside it.", "FILE", show_default="report/out/report.html")
    ] = ROOT / "report/out/report.html",
    base: Base = None,
) -> None:
    """Write the report page (HTML), its headline as Markdown, and the figures of every cell as CSV."""
    if out.suffix != ".html":
        raise UsageError(
            f"--out {out}: expected the name of an .html file, such as {out.with_suffix('') / 'report.html'}"
        )
    if results != options.RESULTS and store.submissions(results):
        inputs = _of_submissions(results, base)
    else:
        inputs = Inputs(_loaded(results, PAGE_COLUMNS), records(results), base)
    _deliver(build(inputs, out.resolve().parent, git.web_address()), out)
    _deliver(as_markdown(inputs), out.with_suffix(".md"))
    tables = [machine.inputs.table for machine in machines(inputs)]  # as in the page: verdicts are by machine
    _deliver(as_csv(pd.concat(tables) if tables else inputs.table), out.with_suffix(".csv"))


def _of_submissions(results: Path, base: str | None) -> Inputs:
    """Return what a page over a folder of submissions shows; says on stderr what it leaves out."""
    frame, left_out = submissions.showable(results, PAGE_COLUMNS)
    for words in left_out:
        err.print(words, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if frame.empty:
        raise UsageError(f"nothing in {results} can be shown; `python -m benchmarks info check --results {results}`")
    return Inputs(frame, records(results / EACH), base)


def rows(
    form: Annotated[str, what(f"{', '.join(EXPORTS)}.", "NAME", name="--format")] = "csv",
    name: Annotated[str, what(f"A numeric column; {', '.join(WHOLE)} hold all.", "COLUMN", name="--metric")] = DEFAULT,
    results: options.Results = options.RESULTS,
    out_file: Annotated[Path | None, where("File to write in place of the output.", "FILE", name="--out")] = None,
) -> None:
    """Print every row, one launch a line, or write a file for another tool.

    csv, json, jsonl and parquet hold every row with all columns. The others hold one metric of each cell, from its
    newest launches that ended ok.
    """
    asked = metric(name)
    if form == "parquet" and not out_file and sys.stdout.isatty():
        raise UsageError("--format parquet is no text; give --out FILE")
    _deliver(exported(load(results) if form in WHOLE else _loaded(results), form, asked), out_file)
    if form == "github-action-benchmark":
        way = "customBiggerIsBetter" if asked.rising else "customSmallerIsBetter"
        err.print(f"the action reads this with `tool: {way}`", highlight=False, soft_wrap=True)


def columns() -> None:
    """Print the columns of a row as Markdown; results/README.md holds this list."""
    rows = [("column", "type", "unit", "meaning"), *((c.name, c.kind, c.unit, c.meaning) for c in COLUMNS)]
    print(formats.markdown_table(rows))  # noqa: T201  # for a file, not for a screen


def check_results(
    results: options.Results = options.RESULTS,
    of_others: Annotated[bool, what("Of each folder in it: whether it can be shown.", name="--submissions")] = False,
) -> None:
    """Print as JSON what is wrong with the files (section `results`) and with what their tables compare (`rules`)."""
    sections: dict[str, Iterable[Finding]]
    if of_others:
        sections = {"submissions": submissions.findings(results)}
    else:
        read = rules.read_all(results, rules.READ)
        sections = {"results": rules.file_findings(results, read), "rules": rules.findings(read)}
    print(json.dumps({name: [asdict(finding) for finding in found] for name, found in sections.items()}))  # noqa: T201


def micro_benchmarks(results: options.Results = MICRO_RESULTS) -> None:
    """Show what single calls take, newest run of each cell: a table for each kind of call."""
    terminal.show(out, micro.as_tables(micro.load(results), out.width))


def curves_by_epoch(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A folder of `benchmarks train --save`.")
    ] = None,
    results: Annotated[
        Path, where("Folder that rows are kept in.", "DIR", show_default="results/curves/")
    ] = options.RESULTS / "curves",
) -> None:
    """Print accuracy by epoch beside the published figures, as Markdown.

    With FOLDER, draw loss and accuracy by epoch of that training into its curves.svg.
    """
    from report import curves  # noqa: PLC0415  # matplotlib takes a second, for pictures alone

    # Printed for a file, not for a screen: no wrapping.
    print(curves.draw(folder) if folder else curves.as_markdown(curves.curves(_loaded(results))))  # noqa: T201


COMMANDS = {"compare": compare_sets, "history": history, "page": page, "rows": rows, "curves": curves_by_epoch}
HIDDEN = {"micro": micro_benchmarks, "columns": columns, "check": check_results}  # for programs and documents
app = program(
    {**COMMANDS, **HIDDEN}, "Read rows: compare frameworks, sets or releases, write the page, and export.", HIDDEN
)
