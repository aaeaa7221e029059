"""The roofline: what each cell achieves against what the machine's measured peak and bandwidth allow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from adapters.flops import model_flops
from adapters.recipes import RECIPES
from benchmarks.errors import threads
from benchmarks.launch import roofline
from report.page import columns, words
from report.page.inputs import Inputs, Record, alike
from report.page.parts import Chart, Charts, Part, Section, Words, facets

MACHINE = ["machine_kind", "device", "device_name", "dtype", "threads"]
COLUMNS = (
    columns.NAMED,
    columns.NETWORK,
    columns.BATCH,
    columns.figure("FLOP/byte", "flop_per_byte", ".1f"),
    columns.figure("GFLOP/s", "gflops_per_s", ",.1f"),
    columns.figure("MFU", "mfu", ".1%"),
    columns.figure("of the roofline", "roofline_share", ".1%"),
)
NOTE = (
    "Arithmetic that a step has to do, over the bytes that no implementation can spare, against FLOP/s. The roof is "
    "the fastest product of matrices that any framework makes here and, left of its bend, memory's bandwidth "
    "(Williams, Waterman and Patterson 2009)."
)
NO_PEAK = "The machine's peak was not measured; `python -m benchmarks info peak` does, and later rows have their MFU."


def section(inputs: Inputs) -> Section:
    """Return the section, or say what was not measured."""
    cells = inputs.timed[inputs.timed["mfu"].notna() & inputs.timed["recipe"].isin(RECIPES)]
    if not len(cells):
        return Section("roofline", "How near to what the machine can do", [Words([NO_PEAK])])
    ceilings = [ceiling for sweep in inputs.used for ceiling in sweep.run.get("ceilings", [])]
    under = _with_intensity(cells)
    parts: list[Part] = [Words([NOTE], style="note"), Charts(list(_drawn(under, inputs, ceilings)))]
    parts.append(columns.folded("Cells under the roof", COLUMNS, under))
    if not ceilings:
        parts.append(Words(["These results do not say which bandwidths were measured; only the peak is drawn."]))
    return Section("roofline", "How near to what the machine can do", parts)


def _with_intensity(cells: pd.DataFrame) -> pd.DataFrame:
    """Add each cell's FLOP per byte, as in benchmarks.launch.roofline."""
    found = []
    for name, batch_size, dtype in cells[["recipe", "batch_size", "dtype"]].itertuples(index=False, name=None):
        recipe = RECIPES[name]
        moved, _ = roofline.step_bytes(recipe, int(batch_size), dtype)
        found.append(int(batch_size) * model_flops(recipe.model)[1] / moved)
    return cells.assign(flop_per_byte=found)


def _drawn(cells: pd.DataFrame, inputs: Inputs, ceilings: Sequence[Record]) -> Iterator[Chart]:
    """Yield a chart for each machine, device, precision and number of threads."""
    for _, group in cells.groupby(MACHINE, sort=False):
        first = group.iloc[0]
        peak = inputs.speeds.loc[alike(inputs.speeds, first, MACHINE), "peak_flops_per_s"].max()
        own = [c for c in ceilings if all(c.get(name) == first[name] for name in ("device", "dtype", "threads"))]
        yield _chart(group, float(peak), own[-1] if own else {})


def _chart(cells: pd.DataFrame, peak: float, ceiling: Record) -> Chart:
    """Return roof and cells on logarithmic axes."""
    bandwidths = {int(size): float(speed) for size, speed in ceiling.get("bandwidths") or []}
    points = [_point(record) for record in cells.to_dict("records")]
    first, top = cells.iloc[0], cells.sort_values("gflops_per_s").iloc[-1]
    device = f"{str(first['device']).upper()} ({words.short(first['device_name'], 48)})"
    caption = f"{device}, {words.short(first['dtype'])}, {threads(first['threads'])}: peak {peak / 1e9:,.0f} GFLOP/s"
    summary = (
        f"Peak {peak / 1e9:,.0f} GFLOP/s; the highest cell is {words.short(top['framework'])} on "
        f"{words.short(top['recipe'])} with {top['gflops_per_s']:,.1f} GFLOP/s, {top['mfu']:.1%} of it."
    )
    least, most = (float(end) for end in (cells["flop_per_byte"].min() / 4, cells["flop_per_byte"].max() * 4))
    roof = list(_roof(peak, _slopes(bandwidths), least, most))
    return Chart("roof", [*roof, *points], caption, summary, facets(first, "device"))


def _roof(peak: float, slopes: list[tuple[str, float]], least: float, most: float) -> Iterator[Record]:
    """Yield the corners of the peak and of the slopes, down to a quarter of where the steepest meets it."""
    left = min([least, *(peak / speed / 4 for _, speed in slopes)])
    for label, speed in slopes or [("peak", math.inf)]:
        hint = f"{label}: {speed / 1e9:,.0f} GB/s" if slopes else f"peak: {peak / 1e9:,.0f} GFLOP/s"
        for x in sorted({left, min(max(left, peak / speed), most), most}):
            yield {"roof": label, "intensity": x, "gflops": min(peak, x * speed) / 1e9, "hint": hint}


def _slopes(bandwidths: dict[int, float]) -> list[tuple[str, float]]:
    """Return the slopes to draw, bytes/s: memory's, of the largest set, and the fastest of any set."""
    if not bandwidths:
        return []
    memory, fastest = bandwidths[max(bandwidths)], max(bandwidths.values())
    return [("memory", memory)] + ([("fastest cache", fastest)] if fastest > memory else [])


def _point(record: dict[Any, Any]) -> Record:
    """Return one cell as a point."""
    at = {"intensity": float(record["flop_per_byte"]), "gflops": float(record["gflops_per_s"])}
    parts = (record["framework"], record["recipe"], f"batch {record['batch_size']}", record["mode"])
    hint = f"{', '.join(map(words.short, parts))}: {at['gflops']:,.1f} GFLOP/s, MFU {record['mfu']:.1%}"
    return facets(record, "framework", "mode", "model", "batch") | at | {"hint": hint}
