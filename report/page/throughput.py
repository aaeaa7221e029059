"""Throughput against batch size: a line a framework with its interval's band, for each model, device and mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from benchmarks.console import plain
from report.compare import COMPARISON
from report.page import crossovers, words
from report.page.cells import batch, lockstep, ratio, text_of, value_of, verdict
from report.page.drawing import Drawing
from report.page.inputs import Inputs
from report.page.palette import look
from report.page.parts import Cell, Column, Group, Line, Part, Picture, Pictures, Section, Table, Words, facets

SHARED = [name for name in COMPARISON if name != "batch_size"]
COLUMNS = (
    Column("framework"), Column("model"), Column("device"), Column("batch", number=True), Column("mode"),
    Column("samples/s", "95 % interval", True), Column("ratio", "95 % interval", True), Column("verdict"),
    Column("GFLOP/s", number=True), Column("of the roofline", number=True),
    Column("evaluation, samples/s", number=True), Column("step waited for, p50", "p99", True), Column("lockstep"),
)  # fmt: skip


def section(inputs: Inputs) -> Section:
    """Return the section: what crosses where in words, the lines, and every cell as a table."""
    pictures = list(drawn(inputs.timed, inputs.part))
    parts: list[Part] = []
    said = list(crossovers.sentences(inputs.timed))
    if said:
        parts.append(Words(said, points=True))
    if pictures:
        parts.append(Pictures(pictures))
    elif len(inputs.timed):
        sizes = words.listed(f"{size:,}" for size in sorted(set(inputs.timed["batch_size"])))
        parts.append(Words([f"Each network was measured at one batch size ({sizes}); a line needs two. {MORE}"]))
    if len(inputs.timed):
        parts.append(every_cell(inputs.timed))
    else:
        parts.append(Words(["No speed was measured."]))
    return Section("throughput", "Throughput against batch size", parts)


MORE = "`tox -e bench -- --batch-size 1,8,64,512` measures more."


def drawn(cells: pd.DataFrame, part: str) -> Iterator[Picture]:
    """Yield a picture for each model, device and mode with at least two batch sizes."""
    number = 0
    for _, group in cells.groupby(SHARED, sort=False):
        for mode, lines in group.groupby("mode"):
            if lines["batch_size"].nunique() > 1:
                yield picture(f"{part}batch{number}", str(mode), lines)
                number += 1


def picture(name: str, mode: str, cells: pd.DataFrame) -> Picture:
    """Draw one mode's lines; both axes are logarithmic, as batch sizes double and speeds differ by decades."""
    sizes = sorted({int(size) for size in cells["batch_size"]})
    with Drawing(name) as drawing:
        axes = drawing.axes
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        for framework, lines in cells.groupby("framework"):
            curve(drawing, str(framework), lines.sort_values("batch_size"))
        shown = sizes if len(sizes) < 9 else sizes[:: len(sizes) // 7]
        axes.set_xticks(shown, [f"{size:,}" for size in shown])
        drawing.decades(axes.yaxis)
        axes.set_xlabel("batch size, samples")
        axes.set_ylabel("samples/s")
        axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8.5)
    first = cells.iloc[0]
    caption = f"{words.comparison(first, 'batch_size')}; {words.short(mode)}"
    top = cells.sort_values("train_samples_per_s").iloc[-1]
    said = (
        f"Samples per second by batch size, {len(set(cells['framework']))} frameworks. The highest is "
        f"{words.short(top['framework'])} with {words.speed(top['train_samples_per_s'])} at batch {top['batch_size']}."
    )
    shared = facets(first, "model", "device") | {"mode": plain(mode)}
    return Picture(drawing.svg, caption, said, shared, numbers(cells, sizes))


def curve(drawing: Drawing, framework: str, lines: pd.DataFrame) -> None:
    """Draw one framework's line, its band and its points."""
    style, axes = look(framework), drawing.axes
    only = {"framework": plain(framework)}
    banded = lines[lines["low"].notna()]
    if len(banded) > 1:
        low, high = (banded[name].astype(float) for name in ("low", "high"))
        band = axes.fill_between(banded["batch_size"].astype(float), low, high, color=style.colour, alpha=0.16, lw=0)
        drawing.mark(band, "", only)
    label = words.short(framework, 14)
    [line] = axes.plot(
        lines["batch_size"].astype(float), lines["train_samples_per_s"].astype(float),
        color=style.colour, linestyle=style.line, label=label,
    )  # fmt: skip
    drawing.mark(line, "", only)
    line.set_marker("")
    for record in lines.to_dict("records"):
        size, speed = int(record["batch_size"]), float(record["train_samples_per_s"])
        [point] = axes.plot(size, speed, style.marker, color=style.colour)
        interval = words.between(record["low"], record["high"])
        drawing.mark(point, f"{label}, batch {size:,}: {words.speed(speed)} samples/s {interval}".strip(), only)


def numbers(cells: pd.DataFrame, sizes: list[int]) -> Table:
    """Return a picture's speeds: a line a framework, a column a batch size."""
    lines = []
    for framework, group in cells.groupby("framework"):
        found = {int(record["batch_size"]): record for record in group.to_dict("records")}
        shown = [
            Cell(words.speed(r["train_samples_per_s"]), words.between(r["low"], r["high"]), r["train_samples_per_s"])
            if (r := found.get(size)) else Cell(words.NONE)
            for size in sizes
        ]  # fmt: skip
        lines.append(Line((Cell(words.short(framework)), *shown), {"framework": plain(str(framework))}))
    columns = [Column("framework"), *(Column(f"batch {size:,}", "95 % interval", True) for size in sizes)]
    return Table("samples/s by batch size", columns, [Group(lines)], folded=True)


def every_cell(cells: pd.DataFrame) -> Table:
    """Return every cell that has a speed as one table."""
    groups = []
    for _, group in cells.groupby(SHARED, sort=False):
        lines = [cell_line(record) for record in group.to_dict("records")]
        groups.append(Group(lines, words.comparison(group.iloc[0], "batch_size")))
    return Table("Every cell", COLUMNS, groups, folded=True)


def cell_line(record: dict[Any, Any]) -> Line:
    """Return one cell's line of the table of all."""
    speed, latency = record["train_samples_per_s"], record["step_latency_p50_s"]
    cells = (
        Cell(words.short(record["framework"]), words.short(text_of(record["framework_version"]))),
        Cell(words.short(record["model"])),
        Cell(str(record["device"])),
        batch(record["batch_size"]),
        Cell(words.short(record["mode"])),
        Cell(words.speed(speed), words.between(record["low"], record["high"]), float(speed)),
        ratio(record),
        Cell(verdict(record)),
        Cell(words.number(record["gflops_per_s"], ",.1f"), value=value_of(record["gflops_per_s"])),
        Cell(words.number(record["roofline_share"], ".1%"), value=value_of(record["roofline_share"])),
        Cell(words.speed(record["eval_samples_per_s"]), value=value_of(record["eval_samples_per_s"])),
        Cell(words.seconds(latency), words.seconds(record["step_latency_p99_s"]), value_of(latency)),
        lockstep(record["lockstep"]),
    )
    return Line(cells, facets(record))
