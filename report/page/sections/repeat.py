"""Everything needed to measure the same cells again: commands, locks, hashes, facts about the machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.plan.cells import PRESETS
from benchmarks.record.store import SweepFile
from report.page import columns, words
from report.page.inputs import Inputs, name_of
from report.page.parts import Command, Part, Section, Table, Words

AXES = {  # option of `benchmarks run`: column of a row; frameworks first, so that they share a command and its rounds
    "--framework": "framework", "--recipe": "recipe", "--batch-size": "batch_size", "--mode": "mode",
    "--device": "device", "--dataset": "dataset", "--dtype": "dtype", "--input": "input", "--threads": "threads",
}  # fmt: skip
Box = tuple[frozenset[Any], ...]  # values by axis: all their combinations


def _commands(rows: pd.DataFrame, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield commands whose cells together are those of the rows; shell-quoted, as rows may say anything."""
    cores = run.get("machine", {}).get("physical_cores")
    left_out = {"--mode"} if recommended(run) else set()
    left_out |= {"--threads"} if set(rows["threads"]) == {cores} else set()
    axes = {option: column for option, column in AXES.items() if option not in left_out}
    trained = rows[rows["task"] == "accuracy"]
    epochs = {name: sorted({int(n) for n in found.dropna()}) for name, found in trained.groupby("recipe")["epochs"]}
    for recipes in _same_settings(epochs, set(rows["recipe"])):
        chosen = rows[rows["recipe"].isin(recipes)]
        length = epochs.get(min(recipes), [])
        for box in _boxes(chosen[list(axes.values())].drop_duplicates().itertuples(index=False, name=None)):
            options = []
            for option, values in zip(axes, box, strict=True):
                options += [option, ",".join(words.short(value, 60) for value in sorted(values))]
            options += [*_amount(chosen, run), *(["--epochs", str(length[-1])] if length else [])]
            yield "tox -e bench -- " + shlex.join(options)


def recommended(run: Mapping[str, Any]) -> bool:
    """Return whether the run's record says that all modes were the adapters' recommended ones, the default."""
    return bool(run.get("requested", {}).get("modes") == "recommended")


def _same_settings(epochs: Mapping[Any, list[int]], recipes: set[Any]) -> list[set[Any]]:
    """Return the recipes in groups that were trained for as many epochs, those that were not trained by themselves."""
    found: dict[tuple[int, ...], set[Any]] = {}
    for recipe in sorted(recipes):
        found.setdefault(tuple(epochs.get(recipe, [])), set()).add(recipe)
    return list(found.values())


def _boxes(cells: Iterable[tuple[Any, ...]]) -> list[Box]:
    """Return few boxes that hold exactly these cells, each once: what differs in one axis alone is joined, by turns."""
    found: list[Box] = [tuple(frozenset([value]) for value in cell) for cell in cells]
    for axis in range(len(found[0]) if found else 0):
        joined: dict[Box, frozenset[Any]] = {}
        for box in found:
            others = (*box[:axis], *box[axis + 1 :])
            joined[others] = joined.get(others, frozenset()) | box[axis]
        found = [(*others[:axis], values, *others[axis:]) for others, values in joined.items()]
    return found


def _amount(rows: pd.DataFrame, run: Mapping[str, Any]) -> list[str]:
    """Return the options that say how much to measure: the preset, and where it was not followed rounds and seeds."""
    asked = run.get("preset", {})
    counts = dict(list(rows.groupby("task")))
    rounds = int(counts["speed"]["round"].max()) + 1 if "speed" in counts else 0
    seeds = counts["accuracy"]["seed"].nunique() if "accuracy" in counts else 0
    name = _preset(asked)
    options = ["--preset", name] if name else []
    if not (name and rounds and asked.get("looks") == list(PRESETS[name].looks or (0,))):
        options += ["--rounds", str(rounds)]
    return [*options, "--seeds", str(seeds)]


def _preset(asked: Mapping[str, Any]) -> str:
    """Return the preset whose chunks are as long, and of several the one that is as precise; empty if none is."""
    near = [name for name, preset in PRESETS.items() if preset.chunk_s == asked.get("chunk_s")]
    return next((name for name in near if PRESETS[name].half_width == asked.get("half_width")), next(iter(near), ""))


LONGEST = 300
FACTS = (columns.label("fact", longest=80), columns.label("value", longest=LONGEST, style="long"))
LOCKS = tuple(
    columns.label(name, longest=longest, style="long")
    for name, longest in (
        ("environment", 60), ("versions", LONGEST), ("lock", 80), ("numeric libraries", LONGEST), ("kernels", LONGEST),
        ("denormals", 60),
    )
)  # fmt: skip
MAX_COMMANDS = 12  # commands shown of one file
RECOMMENDED = (
    "The rows do not say whether these were the recommended modes; if they were, one command without `--mode` measures "
    "the frameworks in the same rounds."
)


def section(inputs: Inputs) -> Section:
    """Return the section, newest file first."""
    parts: list[Part] = []
    for sweep in reversed(inputs.used):
        parts += _measured(sweep, inputs.frame[inputs.frame["sweep"] == name_of(sweep)])
    parts.append(Command("The page itself", ["tox -e report"]))
    return Section("repeat", "Measure it again", parts)


def _measured(sweep: SweepFile, rows: pd.DataFrame) -> Iterator[Part]:
    """Yield what one file says about itself."""
    name = words.short(name_of(sweep), 60)
    commit = words.short(sweep.run.get("commit", "").removesuffix(words.DIRTY), 60)
    lines = [f"git checkout {shlex.quote(commit)}"] if commit not in ("", "unknown") else []
    made = list(_commands(rows, sweep.run))
    yield Command(f"Sweep {name}", [*lines, *made[:MAX_COMMANDS]])
    yield from _notes(sweep.run, len(made))
    if not sweep.run:
        yield Words(["The file has no record of its run: nothing is known of its machine and its versions."])
        return
    facts = [{"fact": path, "value": text} for path, text in _flat("", _facts(sweep))]
    yield Table("Run and machine", FACTS, [columns.grouped(FACTS, facts)], folded=True, style="fixed")
    if locks := [_environment(*found) for found in sweep.run.get("frameworks", {}).items()]:
        yield Table("Environments", LOCKS, [columns.grouped(LOCKS, locks)], folded=True, style="fixed")


def _notes(run: Mapping[str, Any], count: int) -> Iterator[Part]:
    """Yield what these commands cannot say."""
    if str(run.get("commit", "")).endswith(words.DIRTY):
        code = words.short(run.get("code", "unknown"))
        yield Words([f"The checkout had changes of its own (code hash {code}), which the commit does not have."])
    if count > MAX_COMMANDS:
        yield Words([f"{count - MAX_COMMANDS:,} more commands are not shown."])
    if count > 1:
        sentence = "Ratios are paired within one command. "
        sentence += "" if recommended(run) else RECOMMENDED
        yield Words([sentence.strip()])


def _facts(sweep: SweepFile) -> dict[str, Any]:
    """Return the facts of the run's record that have no table of their own, and where the time went."""
    facts = {key: value for key, value in sweep.run.items() if key not in ("frameworks", "checksum", "ceilings")}
    if "wall_s" in sweep.end:
        facts["wall_s"] = {part: round(float(s), 1) for part, s in sweep.end["wall_s"].items()}
    return facts


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every value inside of nested records."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{path} {key}".strip(), inner)
    elif isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(value)


def _environment(name: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return one environment's line: versions, the hash of its lock, the libraries that compute and their kernels."""
    versions = [f"{package} {version}" for package, version in (about.get("versions") or {}).items()]
    return {
        "environment": name,
        "versions": ", ".join([*versions, *(about.get("system_packages") or {}).values()]),
        "lock": about.get("lock", words.NONE),
        "numeric libraries": ", ".join(about.get("numeric_libraries") or [words.NONE]),
        "kernels": about.get("kernels", words.NONE),
        "denormals": about.get("denormals", words.NONE),
    }
