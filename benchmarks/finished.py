"""Launches that are already there: what a resumed sweep need not make again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import storage
from benchmarks.cells import Launch
from benchmarks.ledger import KEPT
from benchmarks.schema import names
from benchmarks.speeds import PLAN

Row = dict[str, Any]
NEEDED = names(*KEPT, *PLAN, "sweep", "cell", "round", "seed", "reason", "epochs", "duration_s")  # lists are large


class Finished:
    """Rows that ended ok, by identity, round and seed. Whatever else is there counts as not done."""

    def __init__(
        self, results: Path | None = None, identity: Callable[[Launch], str] = str, wanted: Iterable[Launch] = ()
    ) -> None:
        """Look through a results folder for the rows of the wanted launches."""
        self.rows: dict[tuple[str, int, int], Row] = {}
        if results is None or not results.is_dir():
            return
        keys = {(identity(planned), planned.round, planned.seed) for planned in wanted}
        for path in storage.files(results):
            for row in storage.rows(path):
                key = (row["cell"], row["round"], row["seed"])
                if row["status"] == "ok" and key in keys:
                    self.rows[key] = {name: row[name] for name in NEEDED}

    def get(self, identity: str, planned: Launch) -> Row | None:
        """Return a launch's row."""
        return self.rows.get((identity, planned.round, planned.seed))

    def sweeps(self) -> list[str]:
        """Return the sweeps that made them."""
        return sorted({row["sweep"] for row in self.rows.values()})
