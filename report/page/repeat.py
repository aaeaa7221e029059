"""Everything that is needed to measure the same again: commands, locks, hashes, facts about the machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.storage import Sweep
from report.page import again, words
from report.page.inputs import Inputs, name_of
from report.page.parts import Cell, Column, Command, Group, Line, Part, Section, Table, Words

FACTS = (Column("fact"), Column("value"))
LOCKS = (
    Column("environment"), Column("versions"), Column("lock"), Column("numeric libraries"), Column("denormals"),
)  # fmt: skip
LONGEST = 300
MOST = 12  # commands shown of one file
RECOMMENDED = (
    "The rows do not say whether these were the recommended modes; if they were, one command without `--mode` measures "
    "the frameworks in the same rounds."
)


def section(inputs: Inputs) -> Section:
    """Return the section, newest file first."""
    parts: list[Part] = []
    for sweep in reversed(inputs.used):
        parts += measured(sweep, inputs.frame[inputs.frame["sweep"] == name_of(sweep)])
    parts.append(Command("The page itself", ["tox -e report"]))
    return Section("repeat", "Measure it again", parts)


def measured(sweep: Sweep, rows: pd.DataFrame) -> Iterator[Part]:
    """Yield what one file says about itself."""
    name = words.short(name_of(sweep), 60)
    commit = sweep.run.get("commit")
    known = isinstance(commit, str) and commit not in ("", "unknown")
    lines = [f"git checkout {shlex.quote(words.short(str(commit).removesuffix(words.DIRTY), 60))}"] if known else []
    made = list(again.commands(rows, sweep.run))
    yield Command(f"Sweep {name}", [*lines, *made[:MOST]])
    yield from notes(sweep.run, len(made))
    if not sweep.run:
        yield Words(["The file has no record of its run: nothing is known of its machine and its versions."])
        return
    yield Table("Run and machine", FACTS, [Group(list(facts(sweep)))], folded=True, style="fixed")
    if locks := list(environments(sweep.run.get("frameworks"))):
        yield Table("Environments", LOCKS, [Group(locks)], folded=True, style="fixed")


def notes(run: Mapping[str, Any], count: int) -> Iterator[Part]:
    """Yield what these commands cannot say."""
    if str(run.get("commit", "")).endswith(words.DIRTY):
        code = words.short(run.get("code", "unknown"))
        yield Words([f"The checkout had changes of its own (code hash {code}), which the commit does not have."])
    if count > MOST:
        yield Words([f"{count - MOST:,} more commands are not shown."])
    if count > 1:
        sentence = "Ratios are paired within one command. "
        sentence += "" if again.recommended(run) else RECOMMENDED
        yield Words([sentence.strip()])


def facts(sweep: Sweep) -> Iterator[Line]:
    """Yield one line a fact of the run's record, nested ones by their path."""
    told = {key: value for key, value in sweep.run.items() if key not in ("frameworks", "checksum", "ceilings")}
    if isinstance(sweep.end.get("wall_s"), Mapping):
        told["wall_s"] = {part: round(float(s), 1) for part, s in sweep.end["wall_s"].items()}
    for path, value in flat("", told):
        yield Line((Cell(words.short(path, 80)), Cell(words.short(value, LONGEST), style="long")))


def flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every value inside of nested records."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(f"{path} {key}".strip(), inner)
    elif isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        yield path, ", ".join(map(str, value))
    else:
        yield path, str(value)


def environments(found: Any) -> Iterator[Line]:
    """Yield one line an environment: versions, the hash of its lock, the libraries that compute."""
    for name, about in found.items() if isinstance(found, Mapping) else ():
        if isinstance(about, Mapping):
            versions = about.get("versions")
            texts = [f"{key} {value}" for key, value in versions.items()] if isinstance(versions, Mapping) else []
            libraries = about.get("numeric_libraries")
            shown = (
                (name, 60), (", ".join(texts), LONGEST), (about.get("lock", words.NONE), 80),
                (", ".join(map(str, libraries)) if isinstance(libraries, list) else words.NONE, LONGEST),
                (about.get("denormals", words.NONE), 60),
            )  # fmt: skip
            yield Line(tuple(Cell(words.short(text, most), style="long") for text, most in shown))
