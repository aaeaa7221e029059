"""Where something changes with the batch size, in words: the device that is faster, the leader, what a step costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from report.compare import CELL, COMPARISON
from report.page import words

DISPATCH_DOMINATES = 0.5  # of a step: an empty step takes at least half as long
Speeds = Mapping[int, float]
Pair = tuple[str, str]  # framework, mode


def by_batch(cells: pd.DataFrame) -> dict[int, float]:
    """Return samples/s by batch size, smallest first."""
    found = zip(cells["batch_size"], cells["train_samples_per_s"], strict=True)
    return {int(size): float(speed) for size, speed in sorted(found)}


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
    """Yield for each network where the GPU overtakes the CPU, and in which frameworks and modes."""
    apart = [name for name in CELL if name not in ("device", "device_name", "batch_size")]
    found: dict[tuple[str, str], list[tuple[Pair, float]]] = {}
    for _, group in cells.groupby(apart, sort=False):
        sides = {device: by_batch(lines) for device, lines in group.groupby("device")}
        common = sorted(sides.get("cpu", {}).keys() & sides.get("gpu", {}).keys())
        if len(common) > 1:
            first = group.iloc[0]
            factor = sides["gpu"][common[-1]] / sides["cpu"][common[-1]]
            said = changes(overtakes(sides["gpu"], sides["cpu"]), common)
            pair = (words.short(first["framework"]), words.short(first["mode"]))
            found.setdefault((words.comparison(first, "device", "batch_size"), said), []).append((pair, factor))
    for (shared, said), who in found.items():
        least, *_, most = sorted([factor for _, factor in who] * 2)
        times = f"{least:.2g} times" if len(who) == 1 else f"{least:.2g} to {most:.2g} times"
        yield f"{shared}: {said} (there {times} its speed) in {by_name(pair for pair, _ in who)}."


def changes(start: int | None, sizes: list[int]) -> str:
    """Say from which of these batch sizes on the GPU is faster; its lead is counted at the largest."""
    if start is None:
        return f"the GPU does not overtake the CPU up to batch {sizes[-1]:,}"
    if start == sizes[0]:
        return f"the GPU is ahead of the CPU at every batch size, up to {sizes[-1]:,}"
    return f"from batch {start:,} on the GPU overtakes the CPU, up to {sizes[-1]:,}"


def leaders(cells: pd.DataFrame) -> Iterator[str]:
    """Yield for each network and device who leads up to which batch size, where there are several."""
    shared = [name for name in COMPARISON if name != "batch_size"]
    for _, group in cells.groupby(shared, sort=False):
        tops = group.sort_values("train_samples_per_s").drop_duplicates("batch_size", keep="last")
        tops = tops.sort_values("batch_size")
        if len(tops) < 2 or group["framework"].nunique() < 2:
            continue
        first = group.iloc[0]
        names = [words.short(name) for name in tops["framework"]]
        sizes = [int(size) for size in tops["batch_size"]]
        starts = [place for place, name in enumerate(names) if place == 0 or name != names[place - 1]]
        said = [f"{names[place]} leads from batch {sizes[place]:,}" for place in starts]
        said = said if len(said) > 1 else [f"{names[0]} leads at every batch size"]
        yield f"{words.comparison(first, 'batch_size', 'threads', 'dataset')}: {', '.join(said)}."


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
