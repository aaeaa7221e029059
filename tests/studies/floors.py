"""Whether rows reach the floors that a data-centre GPU is asked for: python -m tests.studies.floors ROWS [RATIOS].

ROWS is a folder of results, RATIOS a file that tests/baselines/ratios.py --json wrote. Each floor says what was found
and whether it holds, null where nothing was measured; exit code 1 when one does not hold. Works on any rows: on a
processor's none of these was promised.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import store

Row = dict[str, Any]
PUBLISHED = 14_800  # samples/s of lenet at batch 100 in the MXNet tutorial, on a card of its time
TIMES, FUSED, MFU, PLAIN = 20, 5.0, 0.3, 0.98
PLAIN_CELL = ("float32", "preloaded")  # dtype and input


def speeds(rows: Sequence[Row]) -> dict[tuple[str, str, int, str], Row]:
    """Return by framework, model, batch size and mode the median samples/s and MFU of float32 on preloaded data."""
    groups: dict[tuple[str, str, int, str], list[Row]] = {}
    for row in rows:
        if row["status"] == "ok" and row["task"] == "speed" and (row["dtype"], row["input"]) == PLAIN_CELL:
            groups.setdefault((row["framework"], row["model"], row["batch_size"], row["mode"]), []).append(row)
    return {
        key: {name: median(row[name] for row in found) for name in ("train_samples_per_s", "mfu")}
        for key, found in groups.items()
    }


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is not null."""
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else None


def floor(name: str, at_least: float, found: float | None, who: str = "") -> Row:
    """Return a floor with what was found; it holds, does not, or nobody knows."""
    return {
        "floor": name,
        "at_least": at_least,
        "found": found,
        "who": who,
        "holds": None if found is None else found >= at_least,
    }


def best(found: dict[Any, Row], batch_size: int, column: str) -> tuple[float | None, str]:
    """Return lenet's largest value at a batch size, and of whom."""
    values = [(row[column], f"{key[0]} {key[3]}") for key, row in found.items() if key[1:3] == ("lenet", batch_size)]
    return max((value for value in values if value[0] is not None), default=(None, ""))


def floors(rows: Sequence[Row], ratios: Sequence[Row]) -> Iterator[Row]:
    """Yield every floor."""
    found = speeds(rows)
    yield floor("lenet, batch 100, samples/s", TIMES * PUBLISHED, *best(found, 100, "train_samples_per_s"))
    pairs = 0
    for (framework, model, size, mode), row in found.items():
        eager = found.get((framework, model, size, "eager"))
        if (size, mode) == (100, "fused") and eager:
            pairs += 1
            times = row["train_samples_per_s"] / eager["train_samples_per_s"]
            yield floor(f"{model}, batch 100, fused over eager", FUSED, times, framework)
    if not pairs:
        yield floor("batch 100, fused over eager", FUSED, None)
    yield floor("lenet, batch 8192, MFU in float32", MFU, *best(found, 8192, "mfu"))
    for row in ratios:
        ratio = statistics.median(adapter / plain for plain, adapter in row["rates"])
        cell = f"{row['model']}, batch {row['batch_size']}, {row['mode']}, over the plain loop {row['against']}"
        yield floor(cell, PLAIN, ratio, row["framework"])
    if not ratios:
        yield floor("over the plain loop", PLAIN, None)


def main() -> None:
    """Print one JSON object a floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("ratios", type=Path, nargs="*")
    options = parser.parse_args()
    rows = [row for path in store.files(options.rows) for row in store.rows(path)]
    lines = [line for path in options.ratios if path.exists() for line in path.read_text().splitlines()]
    found = list(floors(rows, [json.loads(line) for line in lines if line.startswith("{")]))
    for one in found:
        print(json.dumps(one))
    sys.exit(1 if any(one["holds"] is False for one in found) else 0)


if __name__ == "__main__":
    main()
