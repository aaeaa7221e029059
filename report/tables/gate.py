"""The gate: which cells of a comparison are regressions by the user's rules, and which could not be judged.

A gate that passes because it could see nothing is worse than none, so what could not be judged is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks.errors import UsageError, plain, threads
from benchmarks.plan.cells import AXES, Cell
from benchmarks.stats import FEWEST_ROUNDS, bound
from report.tables.between import NO_LONGER, ONLY_BASE
from report.tables.metrics import Metric
from report.tables.render import are_several

RULES = {
    "slower": "the verdict is slower (worse, for a metric that is no time); slower:5% also asks for 5 % or more",
    "only-in-base": "NEW lacks the cell",
    "accuracy": "the accuracy is different, and lower",
}


@dataclass(frozen=True)
class Rule:
    """One word of --fail-on; `share` is the least fraction that `slower` minds."""

    word: str
    share: float = 0.0


@dataclass
class Outcome:
    """A line for each regression and each cell that could not be judged, and how many were judged.

    `suspects` are the cells of both sides of each regression.
    """

    regressions: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    judged: int = 0
    suspects: list[Cell] = field(default_factory=list)

    def alarm(self, record: dict[Any, Any], words: str) -> None:
        """Note a line of the table as a regression."""
        self.regressions.append(plain(words))
        self.suspects += _cells(record)


def gate_rules(given: str, asked: Metric) -> list[Rule]:
    """Read the words of --fail-on, separated by commas; UsageError lists the known ones."""
    found = []
    for word in filter(None, (part.strip() for part in given.split(","))):
        parts = re.fullmatch(r"([a-z-]+)(?::(\d+(?:\.\d+)?) ?%)?", word)
        if not parts or parts[1] not in RULES or (parts[2] and parts[1] != "slower"):
            raise UsageError(
                f"--fail-on {word}: known are {', '.join(RULES)}, and slower with a least share: slower:5%"
            )
        if parts[1] == "slower" and not (asked.worse and asked.judged):
            raise UsageError(f"--fail-on {word}: {asked.name} has no slower or worse; choose another --metric")
        found.append(Rule(parts[1], float(parts[2] or 0) / 100))
    if not found:
        raise UsageError(f"--fail-on: expected one of {', '.join(RULES)}")
    return found


def judge(table: pd.DataFrame, given: Iterable[Rule], asked: Metric) -> Outcome:
    """Return what a table of tables/between.py holds against the rules; a cell no longer valid fails every gate."""
    outcome = Outcome()
    asked_for, several = list(given), are_several(table)
    for record in table.to_dict("records"):
        record["where"] = f", on {record['machine']}" if several else ""
        for task, what in (("", "speed"), ("accuracy_", "accuracy")):
            if record[f"{task}verdict"] == NO_LONGER and (not task or asked.task != "accuracy"):
                reasons = f": {record['notes']}" if record["notes"] else ""
                outcome.alarm(record, f"{NO_LONGER} ({what}): {_named(record)}{reasons}")
        for rule in asked_for:
            _apply(rule, record, asked, outcome)
    return outcome


def _apply(rule: Rule, record: dict[Any, Any], asked: Metric, outcome: Outcome) -> None:
    """Judge one line by one rule."""
    cell = _named(record)
    match rule.word:
        case "slower" if record["verdict"]:
            outcome.judged += bool(pd.notna(record["ratio"]))
            if record["verdict"] != asked.worse:
                return
            worse_by = 1 - record["ratio"] if asked.rising else record["ratio"] - 1  # 95 % of a speed, 105 % of a time
            if worse_by >= rule.share:
                bounds = f"{bound(record['ratio_low'])} to {bound(record['ratio_high'])}"
                words = f"{asked.worse}: {cell}: {asked.name} is {record['ratio']:.3f} of BASE's ({bounds})"
                outcome.alarm(record, words + _circumstances(record))
        case "slower":
            counts = f"{record['base_launches']} launches in BASE, {record['new_launches']} in NEW"
            outcome.unjudged.append(
                plain(f"{cell}: {counts}; a verdict needs {FEWEST_ROUNDS} of each, all with {asked.name}")
            )
        case "only-in-base":
            outcome.judged += 1
            if record["verdict"] == ONLY_BASE:
                outcome.alarm(record, f"{ONLY_BASE}: {cell}")
        case _ if record["accuracy_verdict"] == "different" and record["difference"] < 0:
            outcome.judged += 1
            outcome.alarm(record, f"less accurate: {cell}: {record['difference']:+.4f}")
        case _ if record["accuracy_verdict"]:
            outcome.judged += 1
        case _ if pd.notna(record["base_accuracy"]) or pd.notna(record["new_accuracy"]):
            outcome.unjudged.append(plain(f"{cell}: accuracies of too few seeds that BASE and NEW share"))


def _circumstances(record: dict[Any, Any]) -> str:
    """Say how many launches were noisy and what changed: a busy machine looks like a slower adapter."""
    changed = f"; changed: {record['changes']}" if record["changes"] else ""
    if not record["base_noisy"] and not record["new_noisy"]:
        return changed
    sides = (f"{record[f'{s}_noisy']} of {record[f'{s}_launches']} in {s.upper()}" for s in ("base", "new"))
    return f"; noisy launches: {', '.join(sides)}{changed}"


def _named(record: dict[Any, Any]) -> str:
    """Return a cell in words, its machine among several."""
    return (
        f"{record['framework']} {record['recipe']}, {record['dataset']}, batch {record['batch_size']}, "
        f"{record['mode']}, {record['dtype']}, {record['device']}, {record['input']}, "
        f"{threads(record['threads'])}{record['where']}"
    )


def _cells(record: dict[Any, Any]) -> Iterator[Cell]:
    """Yield the base's cell of a line, and the other where it is there, as `run` has them."""
    base = {name: record.get(f"base_{name}", record.get(name)) for name in AXES}
    revision = record["base_revision"]
    yield Cell.from_row({**_typed(base), "revision": "" if pd.isna(revision) else revision})
    if record["verdict"] != ONLY_BASE:
        yield Cell.from_row({**_typed(record), "revision": ""})


def _typed(record: dict[Any, Any]) -> dict[str, Any]:
    """Return a cell's axes as plain texts and numbers."""
    numbers = ("batch_size", "threads")
    return {name: int(record[name]) if name in numbers else str(record[name]) for name in AXES if name != "revision"}
