"""Commands that measure some rows' cells again: these cells, no others, for as long as they were measured."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.presets import PRESETS
from report.page import words

AXES = {  # option of `benchmarks run`: column of a row; frameworks first, so that they share a command and its rounds
    "--framework": "framework", "--recipe": "recipe", "--batch-size": "batch_size", "--mode": "mode",
    "--device": "device", "--dataset": "dataset", "--dtype": "dtype", "--pipeline": "pipeline", "--threads": "threads",
}  # fmt: skip
Box = tuple[frozenset[Any], ...]  # values by axis: all their combinations


def commands(rows: pd.DataFrame, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield commands whose cells together are those of the rows; shell-quoted, as rows may say anything."""
    machine = run.get("machine")
    cores = machine.get("physical_cores") if isinstance(machine, Mapping) else None
    left_out = {"--mode"} if recommended(run) else set()
    left_out |= {"--threads"} if set(rows["threads"]) == {cores} else set()
    axes = {option: column for option, column in AXES.items() if option not in left_out}
    trained = rows[rows["task"] == "accuracy"]
    epochs = {name: sorted({int(n) for n in found.dropna()}) for name, found in trained.groupby("recipe")["epochs"]}
    for recipes in alike(epochs, set(rows["recipe"])):
        chosen = rows[rows["recipe"].isin(recipes)]
        length = epochs.get(min(recipes), [])
        for box in boxes(chosen[list(axes.values())].drop_duplicates().itertuples(index=False, name=None)):
            options = []
            for option, values in zip(axes, box, strict=True):
                options += [option, ",".join(words.short(value, 60) for value in sorted(values))]
            options += [*amount(chosen, run), *(["--epochs", str(length[-1])] if length else [])]
            yield "tox -e bench -- " + shlex.join(options)


def recommended(run: Mapping[str, Any]) -> bool:
    """Return whether the run's record says that all modes were the adapters' recommended ones, the default."""
    requested = run.get("requested")
    return isinstance(requested, Mapping) and requested.get("modes") == "recommended"


def alike(epochs: Mapping[Any, list[int]], recipes: set[Any]) -> list[set[Any]]:
    """Return the recipes in groups that were trained for as many epochs, those that were not trained by themselves."""
    found: dict[tuple[int, ...], set[Any]] = {}
    for recipe in sorted(recipes):
        found.setdefault(tuple(epochs.get(recipe, [])), set()).add(recipe)
    return list(found.values())


def boxes(cells: Iterable[tuple[Any, ...]]) -> list[Box]:
    """Return few boxes that hold exactly these cells, each once: what differs in one axis alone is joined, by turns."""
    found: list[Box] = [tuple(frozenset([value]) for value in cell) for cell in cells]
    for axis in range(len(found[0]) if found else 0):
        joined: dict[Box, frozenset[Any]] = {}
        for box in found:
            others = (*box[:axis], *box[axis + 1 :])
            joined[others] = joined.get(others, frozenset()) | box[axis]
        found = [(*others[:axis], values, *others[axis:]) for others, values in joined.items()]
    return found


def amount(rows: pd.DataFrame, run: Mapping[str, Any]) -> list[str]:
    """Return the options that say how much to measure: the preset, and where it was not followed rounds and seeds."""
    asked = run.get("preset")
    asked = asked if isinstance(asked, Mapping) else {}
    counts = dict(list(rows.groupby("task")))
    rounds = int(counts["speed"]["round"].max()) + 1 if "speed" in counts else 0
    seeds = counts["accuracy"]["seed"].nunique() if "accuracy" in counts else 0
    name = preset(asked)
    options = ["--preset", name] if name else []
    if not (name and rounds and asked.get("looks") == list(PRESETS[name].looks or (0,))):
        options += ["--rounds", str(rounds)]
    return [*options, "--seeds", str(seeds)]


def preset(asked: Mapping[str, Any]) -> str:
    """Return the preset whose chunks are as long, and of several the one that is as precise; empty if none is."""
    near = [name for name, known in PRESETS.items() if known.chunk_s == asked.get("chunk_s")]
    return next((name for name in near if PRESETS[name].half_width == asked.get("half_width")), next(iter(near), ""))
