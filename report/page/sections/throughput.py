"""Throughput against batch size: a line a framework with its interval's band, for each model, device and mode.

In words: where the GPU overtakes the CPU, who leads at which batch sizes, and up to where dispatch dominates a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.errors import plain
from report.page import columns, words
from report.page.drawing import Drawing, look
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Part, Picture, Pictures, Section, Table, Words, facets
from report.page.sections.headline import ALONE, FEW, LEADS_SURELY, LEADS_UNSURELY, TIE, UNJUDGED, standing
from report.tables.compare import CELL, COMPARISON

DISPATCH_DOMINATES = 0.5  # of a step: an empty step takes at least half as long
Speeds = Mapping[int, float]
Pair = tuple[str, str]  # framework, mode
CLAIMS = {  # how a standing is said of the first and of those that it does not surely lead
    ALONE: "{0} is alone", LEADS_SURELY: "{0} leads", TIE: "{0} ties with {1}",
    LEADS_UNSURELY: "{2} are not distinguished",
    FEW: "{0} is ahead, with too few rounds for a verdict", UNJUDGED: "{0} is ahead, not judged against {1}",
}  # fmt: skip


def _overtakes(ours: Speeds, theirs: Speeds) -> int | None:
    """Return the smallest common batch size from which on ours is faster at every larger one; None if at none."""
    first = None
    for size in sorted(ours.keys() & theirs.keys(), reverse=True):
        if ours[size] <= theirs[size]:
            break
        first = size
    return first


def _sentences(cells: pd.DataFrame) -> Iterator[str]:
    """Yield what can be said about these cells, devices first, then leaders, then dispatch."""
    yield from _devices(cells)
    yield from _leaders(cells)
    yield from _dispatch(cells)


def _devices(cells: pd.DataFrame) -> Iterator[str]:
    """Yield for each network where the GPU overtakes the CPU, by framework, each device in the mode best there."""
    apart = [name for name in CELL if name not in ("device", "device_name", "batch_size", "mode")]
    found: dict[tuple[str, str], list[tuple[Pair, float]]] = {}
    for _, group in cells.groupby(apart, sort=False):
        sides = {str(device): _by_batch(lines) for device, lines in group.groupby("device")}
        common = sorted(sides.get("cpu", {}).keys() & sides.get("gpu", {}).keys())
        if common:
            first, largest = group.iloc[0], common[-1]
            speeds = {device: {size: speed for size, (speed, _) in best.items()} for device, best in sides.items()}
            modes = [words.short(sides[device][largest][1]) for device in ("cpu", "gpu")]
            mode = modes[0] if modes[0] == modes[1] else f"{modes[0]} on the CPU, {modes[1]} on the GPU"
            claim = _changes(_overtakes(speeds["gpu"], speeds["cpu"]), common)
            pair = (words.short(first["framework"]), mode)
            key = (words.comparison(first, "device", "batch_size"), claim)
            found.setdefault(key, []).append((pair, speeds["gpu"][largest] / speeds["cpu"][largest]))
    for (shared, claim), who in found.items():
        least, *_, most = sorted([factor for _, factor in who] * 2)
        times = f"{least:.2g} times" if len(who) == 1 else f"{least:.2g} to {most:.2g} times"
        yield f"{shared}: {claim} (there {times} its speed) in {_by_name(pair for pair, _ in who)}."


def _by_batch(cells: pd.DataFrame) -> dict[int, tuple[float, str]]:
    """Return by batch size the best mode's samples/s, and this mode."""
    lines = cells.sort_values("train_samples_per_s").drop_duplicates("batch_size", keep="last")
    found = zip(lines["batch_size"], lines["train_samples_per_s"], lines["mode"], strict=True)
    return {int(size): (float(speed), str(mode)) for size, speed, mode in found}


def _changes(start: int | None, sizes: list[int]) -> str:
    """Say from which of these batch sizes on the GPU is faster; its lead is counted at the largest."""
    if len(sizes) == 1:
        ahead = "is ahead of" if start else "is not ahead of"
        return f"the GPU {ahead} the CPU at batch {sizes[0]:,}, the only size that both have"
    if start is None:
        return f"the GPU does not overtake the CPU up to batch {sizes[-1]:,}"
    if start == sizes[0]:
        return f"the GPU is ahead of the CPU at every batch size, up to {sizes[-1]:,}"
    return f"from batch {start:,} on the GPU overtakes the CPU, up to {sizes[-1]:,}"


def _leaders(cells: pd.DataFrame) -> Iterator[str]:
    """Yield for each network and device who leads at which batch sizes, as far as verdicts say, where are several."""
    shared = [name for name in COMPARISON if name != "batch_size"]
    for _, group in cells.groupby(shared, sort=False):
        if group["batch_size"].nunique() < 2 or group["framework"].nunique() < 2:
            continue
        claims: list[tuple[str, list[int]]] = []  # neighbouring sizes of which the same is to be said
        for size, lines in group.groupby("batch_size"):
            claim = _claimed(lines)
            if not claims or claims[-1][0] != claim:
                claims.append((claim, []))
            claims[-1][1].append(int(str(size)))
        if len(claims) == 1:
            summary = f"{claims[0][0]}, at every batch size"
        else:
            summary = "; ".join(f"batch {_span(sizes)}: {claim}" for claim, sizes in claims)
        yield f"{words.comparison(group.iloc[0], 'batch_size', 'threads', 'dataset')}: {summary}."


def _claimed(cells: pd.DataFrame) -> str:
    """Say who leads one comparison, and no more than its verdicts do."""
    sure, near = standing(cells)
    first = words.short(cells["framework"].iloc[0])
    return CLAIMS[sure].format(first, words.listed(near), words.listed([first, *near]))


def _span(sizes: list[int]) -> str:
    """Return `8` or `8 to 64`."""
    return " to ".join(f"{size:,}" for size in dict.fromkeys([sizes[0], sizes[-1]]))


def _dispatch(cells: pd.DataFrame) -> Iterator[str]:
    """Yield where an almost empty step takes at least half as long as a real one: dispatch dominates there."""
    stepped = cells[(cells["mode"] != "fused") & cells["dispatch_s"].notna()]  # fused steps are not dispatched
    apart = [name for name in CELL if name != "batch_size"]
    found: dict[tuple[str, int], set[Pair]] = {}
    for _, group in stepped.groupby(apart, sort=False):
        if group["batch_size"].nunique() < 2:
            continue
        step_s = group["batch_size"] / group["train_samples_per_s"]
        ruled = group[(group["dispatch_s"] / step_s).astype(float) >= DISPATCH_DOMINATES]
        if len(ruled):
            first = group.iloc[0]
            key = (
                f"{words.short(first['recipe'])} on the {str(first['device']).upper()}",
                int(ruled["batch_size"].max()),
            )
            found.setdefault(key, set()).add((words.short(first["framework"]), words.short(first["mode"])))
    for (name, size), who in sorted(found.items()):
        yield f"{name}: up to batch {size:,} dispatch dominates a step of {_by_name(who)}."


def _by_name(pairs: Iterable[Pair]) -> str:
    """Return frameworks with their modes: `jax (compiled, eager) and torch (eager)`."""
    modes: dict[str, list[str]] = {}
    for framework, mode in sorted(pairs):
        modes.setdefault(framework, []).append(mode)
    return words.listed(f"{framework} ({', '.join(found)})" for framework, found in modes.items())


def _step_latency(record: dict[Any, Any]) -> Cell:
    """Return how long a step takes that is waited for, of a hundred the 50th and the 99th."""
    return columns.quantity(record["step_latency_p50_s"], words.seconds, words.seconds(record["step_latency_p99_s"]))


FIGURES = ["batch_size", "train_samples_per_s", "low", "high", "launches"]
SHARED = [name for name in COMPARISON if name != "batch_size"]
COLUMNS = (
    columns.VERSIONED,
    columns.label("model"),
    columns.DEVICE,
    columns.BATCH,
    columns.MODE,
    columns.SPEED,
    columns.RATIO,
    columns.VERDICT,
    columns.figure("GFLOP/s", "gflops_per_s", ",.1f"),
    columns.figure("of the roofline", "roofline_share", ".1%"),
    columns.figure("evaluation, samples/s", "eval_samples_per_s", words.speed),
    Column("step waited for, p50", "p99", True, _step_latency),
    columns.LOCKSTEP,
)


def section(inputs: Inputs) -> Section:
    """Return the section: what crosses where in words, the lines, and every cell as a table."""
    pictures = list(_drawn(inputs.timed, inputs.part))
    parts: list[Part] = []
    sentences = list(_sentences(inputs.timed))
    if sentences:
        parts.append(Words(sentences, points=True))
    if pictures:
        parts.append(Pictures(pictures))
    elif len(inputs.timed):
        sizes = words.listed(f"{size:,}" for size in sorted(set(inputs.timed["batch_size"])))
        parts.append(Words([f"Each network was measured at one batch size ({sizes}); a line needs two. {MORE}"]))
    if len(inputs.timed):
        parts.append(_every_cell(inputs.timed))
    else:
        parts.append(Words(["No speed was measured."]))
    return Section("throughput", "Throughput against batch size", parts)


MORE = "`tox -e bench -- --batch-size 1,8,64,512` measures more."


def _drawn(cells: pd.DataFrame, part: str) -> Iterator[Picture]:
    """Yield a picture for each model, device and mode with at least two batch sizes."""
    number = 0
    for _, group in cells.groupby(SHARED, sort=False):
        for mode, lines in group.groupby("mode"):
            if lines["batch_size"].nunique() > 1:
                yield _picture(f"{part}batch{number}", str(mode), lines)
                number += 1


def _picture(name: str, mode: str, cells: pd.DataFrame) -> Picture:
    """Draw one mode's lines; both axes are logarithmic, as batch sizes double and speeds differ by decades."""
    sizes = sorted({int(size) for size in cells["batch_size"]})
    with Drawing(name) as drawing:
        axes = drawing.axes
        axes.set_xscale("log", base=2)
        axes.set(yscale="log", xlabel="batch size, samples", ylabel="samples/s")
        for framework, lines in cells.groupby("framework"):
            _curve(drawing, str(framework), lines.sort_values("batch_size"))
        shown = sizes if len(sizes) < 9 else sizes[:: len(sizes) // 7]
        axes.set_xticks(shown, [f"{size:,}" for size in shown])
        drawing.decades(axes.yaxis)
        drawing.legend()
    first = cells.iloc[0]
    caption = f"{words.comparison(first, 'batch_size')}; {words.short(mode)}"
    top = cells.sort_values("train_samples_per_s").iloc[-1]
    summary = (
        f"Samples per second by batch size, {len(set(cells['framework']))} frameworks. The highest is "
        f"{words.short(top['framework'])} with {words.speed(top['train_samples_per_s'])} at batch {top['batch_size']}."
    )
    shared = facets(first, "model", "device") | {"mode": plain(mode)}
    return Picture(drawing.svg, caption, summary, shared, _numbers(cells, sizes))


def _curve(drawing: Drawing, framework: str, lines: pd.DataFrame) -> None:
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
    for record in lines[FIGURES].to_dict("records"):
        size, speed = int(record["batch_size"]), float(record["train_samples_per_s"])
        [point] = axes.plot(size, speed, style.marker, color=style.colour)
        interval = words.between(record["low"], record["high"])
        drawing.mark(point, f"{label}, batch {size:,}: {words.speed(speed)} samples/s {interval}".strip(), only)


def _numbers(cells: pd.DataFrame, sizes: list[int]) -> Table:
    """Return a picture's speeds: a line a framework, a column a batch size."""
    records = [
        {"framework": framework} | {int(record["batch_size"]): record for record in group[FIGURES].to_dict("records")}
        for framework, group in cells.groupby("framework")
    ]
    return columns.folded("samples/s by batch size", [columns.FRAMEWORK, *map(_at_batch, sizes)], records)


def _at_batch(size: int) -> Column:
    """Return the column of one batch size."""

    def cell(record: dict[Any, Any]) -> Cell:
        return columns.SPEED.cell(record[size]) if size in record else Cell(words.NONE)

    return Column(f"batch {size:,}", "95 % interval", True, cell)


def _every_cell(cells: pd.DataFrame) -> Table:
    """Return every cell that has a speed as one table."""
    comparisons = [group for _, group in cells.groupby(SHARED, sort=False)]
    groups = [columns.grouped(COLUMNS, group, words.comparison(group.iloc[0], "batch_size")) for group in comparisons]
    return Table("Every cell", COLUMNS, groups, folded=True)
