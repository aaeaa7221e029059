"""Measure every adapter against hand-written loops: python tests/baselines/table.py --rows FILE.

One process per framework, model, batch size and opponent, one after another, each with its own environment's python;
then one Markdown table. Rows already in FILE are kept, so that a table can be made in pieces, or only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

from tests.baselines.ratios import MODES, WITH, WITH_LOOPS, spread

ROOT = Path(__file__).resolve().parents[2]
HEADER = ("framework", "model", "mode", "batch size", "adapter / loop", "loop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--frameworks", default=",".join(WITH_LOOPS))
    parser.add_argument("--models", default="mlp,lenet")
    parser.add_argument("--batch-size", default="100,1000")
    parser.add_argument("--against", default="plain", help="networks of today: layers")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only-print", action="store_true")
    options = parser.parse_args()
    cells = [
        (framework, model, batch_size, against)
        for framework in options.frameworks.split(",")
        for model in options.models.split(",")
        for batch_size in options.batch_size.split(",")
        for against in options.against.split(",")
        if framework in WITH[against]
    ]
    for cell in [] if options.only_print else cells:
        with options.rows.open("a") as file:
            file.writelines(measure(*cell, options.pairs))
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()]
    print(table(rows), flush=True)


def measure(framework: str, model: str, batch_size: str, against: str, pairs: int) -> list[str]:
    """Return the rows of one process as JSON lines; what it says on stderr is shown."""
    command = [str(ROOT / f".tox/{framework}-cpu/bin/python"), "tests/baselines/ratios.py", framework, "--json"]
    command += ["--models", model, "--batch-size", batch_size, "--against", against, "--pairs", str(pairs)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line + "\n" for line in output.splitlines() if line.startswith("{")]


def table(rows: list[dict]) -> str:
    """Return the newest row of each cell as Markdown; * marks the recommended mode."""
    found: dict[tuple, dict] = {}
    for row in rows:
        cell = (WITH_LOOPS.index(row["framework"]), row["model"], MODES.index(row["mode"]), row["batch_size"])
        found[cell] = row
    lines = [HEADER, ("---",) * len(HEADER)]
    for cell in sorted(found, key=lambda cell: (cell[0], cell[1] != "mlp", *cell[2:])):
        row = found[cell]
        shown = [row["framework"], row["model"], row["mode"] + "*" * row["recommended"], f"{row['batch_size']:,}"]
        lines.append((*shown, f"{spread(row)} n={len(row['rates'])}", row["against"]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
