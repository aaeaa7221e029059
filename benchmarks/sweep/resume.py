"""Launches that ended ok in an earlier sweep: what a resumed one need not make again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.plan.cells import Launch
from benchmarks.record import store
from benchmarks.record.schema import names
from benchmarks.sweep.ledger import TABLE_COLUMNS
from benchmarks.worker.speed import PLAN

Row = dict[str, Any]
RESUME_COLUMNS = names(
    *TABLE_COLUMNS, *PLAN, "sweep", "cell", "round", "seed", "reason", "epochs", "duration_s"
)  # lists are large


class CompletedLaunches:
    """Rows that ended ok, by identity, round and seed. Any other launch is not done."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, int], Row] = {}

    def find(self, results: Path, identity: Callable[[Launch], str], wanted: Iterable[Launch]) -> None:
        """Look through a results folder for the rows of the wanted launches."""
        keys = {(identity(planned), planned.round, planned.seed) for planned in wanted}
        for path in store.files(results) if results.is_dir() else ():
            for row in store.rows(path):
                key = (row["cell"], row["round"], row["seed"])
                if row["status"] == "ok" and key in keys:
                    self.rows[key] = {name: row[name] for name in RESUME_COLUMNS}

    def get(self, identity: str, planned: Launch) -> Row | None:
        """Return a launch's row."""
        return self.rows.get((identity, planned.round, planned.seed))

    def sweeps(self) -> list[str]:
        """Return the sweeps that made them."""
        return sorted({row["sweep"] for row in self.rows.values()})
