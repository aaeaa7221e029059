"""Where something changes with the batch size, in words: the device that is faster, the leader, what a step costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from report.compare import CELL, COMPARISON
from report.page import words
from report.page.leads import ALONE, FEW, SURE, TIE, UNJUDGED, UNSURE, standing

DISPATCH_DOMINATES = 0.5  # of a step: an empty step takes at least half as long
Speeds = Mapping[int, float]
Pair = tuple[str, str]  # framework, mode
CLAIMS = {  # how a standing is said of the first and of those that it does not surely lead
    ALONE: "{0} is alone", SURE: "{0} leads", TIE: "{0} ties with {1}", UNSURE: "{2} are not distinguished",
    FEW: "{0} is ahead, with too few rounds for a verdict", UNJUDGED: "{0} is ahead, not judged against {1}",
}  # fmt: skip


def overtakes(ours: Speeds, theirs: Speeds) -> int | None:
    """Return the smallest common batch size from which on ours is faster at every larger one; None if at none."""
    first = None
    for size in sorted(ours.keys() & theirs.keys(), reverse=True):
        if ours[size] <= theirs[size]:
            break
        first = size
    return first


def sentences(cells: pd.DataFrame) -> Iterator[str]:
    """Yield what can be said about these cells, devices first, then leaders, then dispatch."""
    yield from devices(cells)
    yield from leaders(cells)
    yield from dispatch(cells)


def devices(cells: pd.DataFrame) -> Iterator[str]:
    """Yield for each network where the GPU overtakes the CPU, by framework, each device in the mode best there."""
    apart = [name for name in CELL if name not in ("device", "device_name", "batch_size", "mode")]
    found: dict[tuple[str, str], list[tuple[Pair, float]]] = {}
    for _, group in cells.groupby(apart, sort=False):
        sides = {str(device): by_batch(lines) for device, lines in group.groupby("device")}
        common = sorted(sides.get("cpu", {}).keys() & sides.get("gpu", {}).keys())
        if common:
            first, largest = group.iloc[0], common[-1]
            speeds = {device: {size: speed for size, (speed, _) in best.items()} for device, best in sides.items()}
            modes = [words.short(sides[device][largest][1]) for device in ("cpu", "gpu")]
            mode = modes[0] if modes[0] == modes[1] else f"{modes[0]} on the CPU, {modes[1]} on the GPU"
            said = changes(overtakes(speeds["gpu"], speeds["cpu"]), common)
            pair = (words.short(first["framework"]), mode)
            key = (words.comparison(first, "device", "batch_size"), said)
            found.setdefault(key, []).append((pair, speeds["gpu"][largest] / speeds["cpu"][largest]))
    for (shared, said), who in found.items():
        least, *_, most = sorted([factor for _, factor in who] * 2)
        times = f"{least:.2g} times" if len(who) == 1 else f"{least:.2g} to {most:.2g} times"
        yield f"{shared}: {said} (there {times} its speed) in {by_name(pair for pair, _ in who)}."


def by_batch(cells: pd.DataFrame) -> dict[int, tuple[float, str]]:
    """Return by batch size the best mode's samples/s, and this mode."""
    lines = cells.sort_values("train_samples_per_s").drop_duplicates("batch_size", keep="last")
    found = zip(lines["batch_size"], lines["train_samples_per_s"], lines["mode"], strict=True)
    return {int(size): (float(speed), str(mode)) for size, speed, mode in found}


def changes(start: int | None, sizes: list[int]) -> str:
    """Say from which of these batch sizes on the GPU is faster; its lead is counted at the largest."""
    if len(sizes) == 1:
        ahead = "is ahead of" if start else "is not ahead of"
        return f"the GPU {ahead} the CPU at batch {sizes[0]:,}, the only size that both have"
    if start is None:
        return f"the GPU does not overtake the CPU up to batch {sizes[-1]:,}"
    if start == sizes[0]:
        return f"the GPU is ahead of the CPU at every batch size, up to {sizes[-1]:,}"
    return f"from batch {start:,} on the GPU overtakes the CPU, up to {sizes[-1]:,}"


def leaders(cells: pd.DataFrame) -> Iterator[str]:
    """Yield for each network and device who leads at which batch sizes, as far as verdicts say, where are several."""
    shared = [name for name in COMPARISON if name != "batch_size"]
    for _, group in cells.groupby(shared, sort=False):
        if group["batch_size"].nunique() < 2 or group["framework"].nunique() < 2:
            continue
        claims: list[tuple[str, list[int]]] = []  # neighbouring sizes of which the same is to be said
        for size, lines in group.groupby("batch_size"):
            claim = claimed(lines)
            if not claims or claims[-1][0] != claim:
                claims.append((claim, []))
            claims[-1][1].append(int(str(size)))
        if len(claims) == 1:
            said = f"{claims[0][0]}, at every batch size"
        else:
            said = "; ".join(f"batch {span(sizes)}: {claim}" for claim, sizes in claims)
        yield f"{words.comparison(group.iloc[0], 'batch_size', 'threads', 'dataset')}: {said}."


def claimed(cells: pd.DataFrame) -> str:
    """Say who leads one comparison, and no more than its verdicts do."""
    sure, near = standing(cells)
    first = words.short(cells["framework"].iloc[0])
    return CLAIMS[sure].format(first, words.listed(near), words.listed([first, *near]))


def span(sizes: list[int]) -> str:
    """Return `8` or `8 to 64`."""
    return " to ".join(f"{size:,}" for size in dict.fromkeys([sizes[0], sizes[-1]]))


def dispatch(cells: pd.DataFrame) -> Iterator[str]:
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
        yield f"{name}: up to batch {size:,} dispatch dominates a step of {by_name(who)}."


def by_name(pairs: Iterable[Pair]) -> str:
    """Return frameworks with their modes: `jax (compiled, eager) and torch (eager)`."""
    modes: dict[str, list[str]] = {}
    for framework, mode in sorted(pairs):
        modes.setdefault(framework, []).append(mode)
    return words.listed(f"{framework} ({', '.join(found)})" for framework, found in modes.items())
