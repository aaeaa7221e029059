"""Batch size: samples/s and ms a step, a line a framework in its best mode with its interval's band; and as a table.

In words: which batch size is enough, where the GPU overtakes the CPU, who leads where, and where dispatch dominates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.cli.answer import batch_size
from benchmarks.errors import count, plain
from benchmarks.record.summary import Comparison
from report.page import columns, words
from report.page.inputs import Inputs
from report.page.parts import Cell, Chart, Charts, Column, Group, Line, Part, Section, Table, Words, facets
from report.page.sections.lead import ALONE, FEW, LEADS_SURELY, LEADS_UNSURELY, TIE, UNJUDGED, standing
from report.tables.compare import CELL, COMPARISON, as_records

DISPATCH_DOMINATES = 0.5  # of a step: an empty step takes at least half as long
Speeds = Mapping[int, float]
Pair = tuple[str, str]  # framework, mode
CLAIMS = {  # how a standing is said of the first and of those that it does not surely lead
    ALONE: "{0} is alone", LEADS_SURELY: "{0} leads", TIE: "{0} ties with {1}",
    LEADS_UNSURELY: "{2} are not distinguished",
    FEW: "{0} is ahead, with {3} each and no verdict", UNJUDGED: "{0} is ahead, not judged against {1}",
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
    most = count(int(cells["launches"].max()), "launch", "launches")
    return CLAIMS[sure].format(first, words.listed(near), words.listed([first, *near]), most)


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
MORE = "`tox -e bench -- --batch-size 1,8,64,512` measures more."


def section(inputs: Inputs) -> Section:
    """Return the section: what crosses where in words, a chart and a table a network, and every cell."""
    parts: list[Part] = []
    networks = _networks(inputs)
    groups = _of_several_sizes(networks)
    for group in groups[:MOST]:
        parts += [Charts(list(_charts(group))), _by_size(group)]
    if sentences := [*_enough(groups), *_sentences(pd.concat([inputs.timed.iloc[:0], *networks]))]:
        parts.append(Words(sentences, points=True))
    if len(inputs.timed) and not groups:
        sizes = words.listed(f"{size:,}" for size in sorted(set(inputs.timed["batch_size"])))
        parts.append(Words([f"Each network was measured at one batch size ({sizes}); a line needs two. {MORE}"]))
    parts.append(_every_cell(inputs.timed) if len(inputs.timed) else Words(["No speed was measured."]))
    return Section("batches", "Batch size", parts)


def of_headline(inputs: Inputs) -> list[str]:
    """Say who leads at which batch size, where the headline's networks have several."""
    groups = _of_several_sizes(_networks(inputs)[: len(inputs.headline)])
    return [claims for group in groups for claims in _leaders(group)]


def _of_several_sizes(networks: Iterable[pd.DataFrame]) -> list[pd.DataFrame]:
    return [group for group in networks if group["batch_size"].nunique() > 1]


def _networks(inputs: Inputs) -> list[pd.DataFrame]:
    """Return the cells that differ in batch size, framework and mode alone, those of the headline first."""
    groups = {tuple(key): group for key, group in inputs.timed.groupby(SHARED, sort=False)}
    first = dict.fromkeys(tuple(cells.iloc[0][SHARED]) for cells in inputs.headline)
    return [groups[key] for key in dict.fromkeys([*first, *groups])]


MOST = 12  # networks and devices that are drawn; the table of every configuration has all


def _charts(cells: pd.DataFrame) -> Iterator[Chart]:
    """Yield samples/s and ms a step over batch size, on one axis for all frameworks, each in its best mode."""
    first, top = cells.iloc[0], cells.sort_values("train_samples_per_s").iloc[-1]
    shared, records = facets(first, "model", "device"), [_record(record) for record in cells.to_dict("records")]
    name = f"{words.short(first['model'])} on the {words.short(first['device']).upper()}"
    best = (
        f"{words.short(top['framework'])} with {words.speed(top['train_samples_per_s'])} at batch {top['batch_size']}"
    )
    count = cells["framework"].nunique()
    said = f"Samples per second by batch size, {count} frameworks. The highest is {best}; the table has all."
    yield Chart("speed", records, f"{name}: samples/s", said, shared)
    steps = [{key: value for key, value in record.items() if key not in ("low", "high")} for record in records]
    said = f"Milliseconds that a step takes by batch size, {count} frameworks: batch size over samples per second."
    yield Chart("step", steps, f"{name}: ms a step", said, shared)


def _record(cell: dict[Any, Any]) -> dict[str, Any]:
    """Return a cell as its point in both charts."""
    size, speed = int(cell["batch_size"]), float(cell["train_samples_per_s"])
    within = words.within(cell["low"], cell["high"])
    made = {
        **facets(cell, "framework", "mode"),
        "size": size,
        "speed": speed,
        "ms": 1e3 * size / speed,
        "place": -speed,
    }
    made["hint"] = (
        f"{made['framework']}, {made['mode']}, batch {size:,}: {words.speed(speed)} samples/s {within}, "
        f"{words.seconds(size / speed)} a step"
    )
    return made | words.drawn(cell["low"], cell["high"])


def _by_size(cells: pd.DataFrame) -> Table:
    """Return framework by batch size: a line for its best mode at each, and hidden ones for each mode alone."""
    sizes = sorted({int(size) for size in cells["batch_size"]})
    lines = []
    fastest = cells.sort_values("train_samples_per_s", ascending=False)
    for framework, own in fastest.groupby("framework", sort=False):
        best = own.drop_duplicates("batch_size")
        for mode, found in [("best", best), *own.groupby("mode")]:
            by_size = {int(record["batch_size"]): record for record in found.to_dict("records")}
            shown = facets(own.iloc[0], "model", "device", "framework") | {"mode": plain(str(mode))}
            heading = Cell(words.short(framework), words.short(mode) if mode != "best" else "")
            lines.append(Line((heading, *(_speed(by_size.get(size)) for size in sizes)), shown, hidden=mode != "best"))
    headings = [Column("framework"), *(Column(f"batch {size:,}", "", True) for size in sizes)]
    first = cells.iloc[0]
    caption = f"{words.comparison(first, 'batch_size')}: samples/s, each framework in its best mode there"
    return Table(caption, headings, [Group(lines)], style="best")


def _speed(record: dict[Any, Any] | None) -> Cell:
    """Return a speed with half of its interval."""
    if record is None:
        return Cell(words.NONE)
    return columns.quantity(record["train_samples_per_s"], words.speed, words.within(record["low"], record["high"]))


def _enough(groups: list[pd.DataFrame]) -> Iterator[str]:
    """Yield for each network which batch size to take."""
    for group in groups:
        by_size = {int(str(size)): Comparison(as_records(cells), []) for size, cells in group.groupby("batch_size")}
        first = group.iloc[0]
        yield f"{words.short(first['model'])} on the {words.short(first['device']).upper()}: {batch_size(by_size)}."


def _every_cell(cells: pd.DataFrame) -> Table:
    """Return every cell that has a speed as one table."""
    comparisons = [group for _, group in cells.groupby(SHARED, sort=False)]
    groups = [columns.grouped(COLUMNS, group, words.comparison(group.iloc[0], "batch_size")) for group in comparisons]
    return Table("Every configuration, with all figures", COLUMNS, groups, folded=True)
