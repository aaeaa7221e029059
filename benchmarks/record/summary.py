"""What rows say of each cell, and which comparison and batch size answer for a network; a run has no pandas for it.

A cell's record has the names that `report compare` gives the same figures; report/ makes its own, of a million rows.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.recipes import RECIPES
from benchmarks.plan.cells import SHARED, network_order
from benchmarks.record.ratios import Launches, to_the_best
from benchmarks.stats import median_time, speed

Row = Mapping[str, Any]
Record = dict[str, Any]
SAME_MODE = ("compiled", "eager", "fused")  # which mode is preferred where several are shared by as many
SUFFICIENT = 0.95  # of the best speed: a larger batch that gives no more only costs memory and epochs
RATES = ("eval_samples_per_s", "mfu")
MANY, SHOWN = 20, 4  # comparisons: no one reads more of them on a screen; of many these are shown


@dataclass(frozen=True)
class Comparison:
    """Cells that differ in framework and mode alone, best first; and those in one mode, beside the best of them."""

    cells: Sequence[Record]
    in_one_mode: Sequence[Record]

    @property
    def best(self) -> list[Record]:
        """Return each framework in its best mode, the best framework first."""
        firsts: dict[tuple[str, Any], Record] = {}
        for cell in self.cells:
            firsts.setdefault((cell["framework"], cell.get("revision")), cell)
        return list(firsts.values())

    @property
    def same(self) -> list[Record]:
        """Return all that have the mode that most have; empty where the best modes say as much."""
        shown = [(cell["framework"], cell["mode"]) for cell in self.best]
        new = any((cell["framework"], cell["mode"]) not in shown for cell in self.in_one_mode)
        return list(self.in_one_mode) if new and len(self.in_one_mode) > 1 else []

    @property
    def modes_chosen(self) -> bool:
        """Return whether a framework was measured in several modes, so that one is the best."""
        return len(self.best) < len(self.cells)


def comparisons(rows: Sequence[Row]) -> list[Comparison]:
    """Return the comparisons of rows of one machine, however many launches there are, in the order of all tables.

    Only launches that ended ok count in figures; `status` names every ending there was.
    """
    modes: dict[tuple[Any, ...], set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        modes[_key(row)].add((row["framework"], row["mode"]))
    shared = {key: same_mode(found) for key, found in modes.items()}
    alike = _by_comparison([row for row in rows if row["mode"] == shared[_key(row)]])
    found = [Comparison(cells, alike[key]) for key, cells in _by_comparison(rows).items()]
    return sorted(found, key=lambda one: (network_order(one.cells[0]["model"]), _key(one.cells[0])))


def same_mode(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the mode that most frameworks have, of their (framework, mode)."""
    counts = Counter(mode for _, mode in set(pairs))
    known = {mode: place for place, mode in enumerate(SAME_MODE)}
    return min(counts, key=lambda mode: (-counts[mode], known.get(mode, len(known)), mode))


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[axis] for axis in SHARED)


def _by_comparison(rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Record]]:
    """Return each comparison's cells as records, best first."""
    launches: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        launches[_key(row), row["framework"], row["mode"], row["revision"] or ""].append(row)
    places = {key: place for place, key in enumerate(dict.fromkeys(key for key, *_ in launches))}
    comparison = np.array([places[key] for key, *_ in launches], np.int64)
    found = to_the_best(_as_arrays(launches.values()), comparison, np.ones(len(comparison), bool))
    cells: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for number, ((key, *_), mine) in enumerate(launches.items()):
        figures = {name: _known(values[number]) for name, values in vars(found).items() if name != "verdict"}
        cells[key].append(_figures(mine) | figures | {"verdict": str(found.verdict[number])})
    for records in cells.values():
        records.sort(key=lambda cell: (-(cell["ratio"] or 0), -(cell["train_samples_per_s"] or 0)))
    return cells


def _as_arrays(cells: Iterable[Sequence[Row]]) -> Launches:
    """Return the launches that have a speed; of equal rounds the last."""
    speeds: dict[tuple[int, Any], float] = {}
    for number, rows in enumerate(cells):
        timed = [row for row in _timed(rows) if row["train_samples_per_s"]]
        speeds |= {(number, (row["sweep"], row["round"])): row["train_samples_per_s"] for row in timed}
    pairs = {pair: place for place, pair in enumerate(dict.fromkeys(pair for _, pair in speeds))}
    numbers = np.array([(number, pairs[pair]) for number, pair in speeds], np.int64).reshape(-1, 2)
    return Launches(numbers[:, 0], numbers[:, 1], np.array(list(speeds.values()), float))


def _timed(rows: Sequence[Row]) -> list[Row]:
    """Return the speed launches that ended ok."""
    return [row for row in rows if row["task"] == "speed" and row["status"] == "ok"]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _figures(rows: Sequence[Row]) -> Record:
    """Return what a cell's launches say of it without the others."""
    timed = _timed(rows)
    learnt = [row for row in rows if row["task"] == "accuracy" and row["status"] == "ok"]
    times = [row["time_to_accuracy_s"] for row in learnt if row["accuracy_target"] is not None]
    flags = Counter(flag for row in timed for flag in row["flags"] or [])
    revision = rows[0]["revision"]
    return {
        **rows[0],
        "mode": rows[0]["mode"] + (f" (adapters of {revision})" if revision else ""),
        "framework_version": next((row["framework_version"] for row in rows if row["framework_version"]), None),
        "launches": len(timed),
        "train_samples_per_s": _mean(timed, "train_samples_per_s"),
        **{name: _mean(timed, name) for name in RATES},
        "flags": ", ".join(f"{flag} {number}" for flag, number in sorted(flags.items())),
        "seeds": len(learnt),
        "accuracy": statistics.mean(row["accuracy"] for row in learnt) if learnt else None,
        "time_to_accuracy_s": median_time(times) if times else None,
        "reached": len(times) - times.count(None) if times else None,
        "lockstep": ", ".join(sorted({row["lockstep"] for row in rows})),
        "status": ", ".join(sorted({row["status"] for row in rows})),
    }


def _mean(rows: Sequence[Row], name: str) -> float | None:
    known = [row[name] for row in rows if row[name]]
    return speed(known).estimate if known else None


def weight(first: Mapping[str, Any], frameworks: int, launches: int) -> tuple[Any, ...]:
    """Return what makes a comparison more of an answer than another: most frameworks, then the usual settings."""
    recipe = RECIPES.get(first["recipe"])
    return (
        frameworks,
        first["input"] == "preloaded",
        first["dtype"] == "float32",
        recipe is not None and first["batch_size"] == recipe.batch_size,
        first["dataset"] == "mnist",
        int(first["threads"]),
        launches,
    )


NETWORK = ("machine_kind", "device", "device_name", "model")  # what a network's answer is about


def answering(found: Iterable[Comparison]) -> list[Comparison]:
    """Return of each network, device and machine the comparison that answers for it, of those that have a speed."""
    networks: dict[tuple[Any, ...], list[Comparison]] = defaultdict(list)
    for one in found:
        if any(cell["train_samples_per_s"] for cell in one.cells):
            networks[tuple(one.cells[0].get(name) for name in NETWORK)].append(one)
    return [max(mine, key=_weight) for mine in networks.values()]


def _weight(one: Comparison) -> tuple[Any, ...]:
    return weight(one.cells[0], len(one.best), sum(cell["launches"] for cell in one.cells))


def over_batch_sizes(one: Comparison, among: Iterable[Comparison]) -> dict[int, Comparison]:
    """Return by batch size the comparisons that share all else with this one, smallest first."""
    shared = [*NETWORK, *(name for name in SHARED if name != "batch_size")]
    about = [one.cells[0].get(name) for name in shared]
    alike = [other for other in among if [other.cells[0].get(name) for name in shared] == about]
    found = {other.cells[0]["batch_size"]: other for other in alike if other.cells[0]["train_samples_per_s"]}
    return dict(sorted(found.items()))


def sufficient(speeds: Mapping[int, float]) -> int:
    """Return the smallest batch size that gives SUFFICIENT of the best speed, of speeds by batch size."""
    return min(size for size, rate in speeds.items() if rate >= SUFFICIENT * max(speeds.values()))
