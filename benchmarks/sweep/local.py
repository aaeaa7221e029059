"""Launches that are already there: what a resumed sweep need not make again.

Runs a sweep: every requested cell ends in a row, whatever happens to its worker.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import secrets
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.recipes import RECIPES
from benchmarks.errors import SchemaError, StorageError
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.proof import STEPS, TIMEOUT_S, Proof, cached_proof
from benchmarks.machine import signals
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import Cell, Launch, Preset, launches
from benchmarks.record import store
from benchmarks.record.schema import names, validate
from benchmarks.sweep.facts import dataset_facts, run_facts, test_image
from benchmarks.sweep.ledger import TABLE_COLUMNS, Ledger
from benchmarks.sweep.stopping import Key, Stopping
from benchmarks.worker.speed import PLAN

Row = dict[str, Any]
RESUME_COLUMNS = names(
    *TABLE_COLUMNS, *PLAN, "sweep", "cell", "round", "seed", "reason", "epochs", "duration_s"
)  # lists are large


class CompletedLaunches:
    """Rows that ended ok, by identity, round and seed. Whatever else is there counts as not done."""

    def __init__(
        self, results: Path | None = None, identity: Callable[[Launch], str] = str, wanted: Iterable[Launch] = ()
    ) -> None:
        """Look through a results folder for the rows of the wanted launches."""
        self.rows: dict[tuple[str, int, int], Row] = {}
        if results is None or not results.is_dir():
            return
        keys = {(identity(planned), planned.round, planned.seed) for planned in wanted}
        for path in store.files(results):
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


ROWS_A_WRITE = 500  # rows of launches that were not made, written with one fsync


def interruption_reason(ending: BaseException) -> str:
    """Say why a launch was not made, or not to its end."""
    if isinstance(ending, Interrupted):
        return f"the sweep was ended by {ending.signal.name}"
    return f"the sweep was ended by {type(ending).__name__}: {ending}"


def name_now() -> str:
    """Return the name of a sweep that begins now; names sort by time.

    Two may begin in one millisecond, on machines that share all else: random bits tell them apart.
    """
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}-{secrets.token_hex(4)}"


def is_unwritable(ending: BaseException) -> bool:
    """Return whether a line could not be written: what the disk did not take it will not take now."""
    return isinstance(ending, StorageError) and not isinstance(ending, SchemaError)


@dataclass
class LocalSweep:
    """What was asked for, resolved: cells, what makes their rows, where these go."""

    cells: list[Cell]
    launcher: Launcher
    results: Path
    preset: Preset
    seed: int
    resume: bool = False
    report: Callable[[int, int, Launch, Row | None], None] = lambda done, total, planned, row: None
    report_proof: Callable[[int, int, Cell, Proof | None], None] = lambda done, total, cell, proof: None
    proof_steps: int = STEPS
    proof_timeout_s: float = TIMEOUT_S
    fresh_proof: bool = False
    time_cap_s: float = math.inf  # of all speed launches; a comparison always gets one round
    stops: dict[Key, Row] = field(default_factory=dict)  # by comparison: rounds, reason, half_width
    resumed: list[str] = field(default_factory=list)  # sweeps whose launches count with this one's
    pictured: set[tuple[str, int]] = field(default_factory=set)  # test images kept: data set, index
    ledger: Ledger = field(default_factory=lambda: Ledger(0, 0))
    finished: CompletedLaunches = field(default_factory=CompletedLaunches)  # launches that are there already
    path: Path = Path()  # of the results file

    def run(self) -> Ledger:
        """Launch what is to be launched, append a row for each; return the account, resumed launches included.

        Whatever ends it early, launches that it did not come to have rows that say so, unless rows cannot be written.
        """
        begin, self.name = time.monotonic(), name_now()
        self.path = self.results / f"{self.name}.jsonl"
        coming = deque(launches(self.cells, self.preset.rounds, self.preset.seeds, self.seed))
        self.ledger = Ledger(len(self.cells), len(coming))
        if self.resume:
            self.finished = CompletedLaunches(self.results, self.launcher.identity, coming)
        self.resumed = self.finished.sweeps()
        try:
            with signals.deferred():
                self.begin()
            self.prove(self.cells)
            proofs_s = time.monotonic() - begin
            stopping = Stopping(self.cells, self.preset, self.time_cap_s, self.stops)
            with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
                self.launch_all(coming, stopping, Path(folder))
        except BaseException as ending:
            if not is_unwritable(ending):
                with signals.deferred():
                    self.leave(coming, interruption_reason(ending))
                    self.end(time.monotonic() - begin, interruption_reason(ending))
            raise
        self.end(time.monotonic() - begin, "", proofs=proofs_s)
        return self.ledger

    def begin(self) -> None:
        """Write the run's record, which also finds out whether results can be written at all."""
        store.check(self.results)
        about = {"preset": dataclasses.asdict(self.preset), "seed": self.seed, "resumes": self.resumed}
        about["requested"] = self.ledger.requested | ({"modes": "recommended"} if self.recommended() else {})
        facts = run_facts(self.launcher.probes, self.launcher.data, self.launcher.ceilings)
        told = {"sweep": self.name, **facts, **about, "memory_limit": self.launcher.memory.about()}
        store.create(self.path, told)
        for data in self.launcher.data.values():
            store.append(self.path, "dataset", dataset_facts(data))

    def recommended(self) -> bool:
        """Return whether every cell is in its adapter's recommended mode, so that one command can say them all."""
        probes = self.launcher.probes
        return all(
            cell.mode == probes[cell.framework, cell.device].recommended(RECIPES[cell.recipe].model.name, cell.input)
            for cell in self.cells
        )

    def launch_all(self, coming: deque[Launch], stopping: Stopping, folder: Path) -> None:
        """Take launches from the left until none is left, each when its row is written; workers' inputs in `folder`."""
        while coming:
            planned = coming[0]
            if stopping.stopped(planned):
                coming.popleft()
                continue
            self.report(*self.ledger.progress(), planned, None)
            there = self.finished.get(self.launcher.identity(planned), planned)
            row = there or self.launcher.row(planned, folder, self.name)
            with signals.deferred():  # a launch has one row: it is written and gone from `coming`, or neither
                if not there:
                    store.append(self.path, "row", row)
                coming.popleft()
                self.ledger.report(planned, row, made=not there)
                if planned.task == "speed" and (stop := stopping.enough(planned, row)):
                    self.ledger.not_needed += stopping.spared(planned)
                    store.append(self.path, "stop", stop)
            if not there:
                self.picture(planned, row)
            self.launcher.remember(planned, row)
            self.report(*self.ledger.progress(), planned, row)

    def leave(self, coming: Iterable[Launch], reason: str) -> None:
        """Append `interrupted` rows for launches that are not to be made, as many at once as memory takes lightly."""
        stops, rows = self.stops, []
        for planned in coming:
            if planned.task == "speed" and planned.cell.comparison() in stops:
                continue
            row = self.finished.get(self.launcher.identity(planned), planned)
            if row is None:
                row = validate(
                    {**self.launcher.described(planned, self.name), "status": "interrupted", "reason": reason}
                )
                rows.append(row)
            self.ledger.report(planned, row, made=False)
            if len(rows) == ROWS_A_WRITE:
                store.append(self.path, "row", *rows)
                rows.clear()
        store.append(self.path, "row", *rows)

    def end(self, wall_s: float, reason: str, **others_s: float) -> None:
        """Append where the time went and how much there is; `reason` is empty where nothing ended it early."""
        self.wall = self.ledger.wall.split(wall_s, **others_s)
        counts = {"reported": len(self.ledger.rows), "not_needed": self.ledger.not_needed}
        store.append(self.path, "end", {"wall_s": self.wall, **counts, "interrupted": reason or None})

    def prove(self, cells: Iterable[Cell]) -> None:
        """Put every cell that can run through the lockstep gate, or take the proof that is kept."""
        able = [cell for cell in cells if self.launcher.skipped(cell) is None]
        for number, cell in enumerate(able):
            self.report_proof(number, len(able), cell, None)
            data = self.launcher.data[cell.dataset]
            how = (self.seed, self.proof_steps, self.fresh_proof, self.proof_timeout_s, self.launcher.memory)
            proof = cached_proof(cell, data, *how)
            store.append(self.path, "proof", {**dataclasses.asdict(cell), **dataclasses.asdict(proof)})
            self.report_proof(number + 1, len(able), cell, proof)
            self.launcher.proofs[cell] = proof.brief()

    def picture(self, planned: Launch, row: Row) -> None:
        """Keep the test images that a cell's first accuracy launch misread worst, each once in a sweep."""
        data = self.launcher.data[planned.cell.dataset]
        for index in (row["mistakes"] or []) if planned.round == 0 else []:
            if (data.name, index) not in self.pictured:
                self.pictured.add((data.name, index))
                store.append(self.path, "image", test_image(data, index))
