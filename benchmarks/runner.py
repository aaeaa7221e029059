"""Runs a sweep: every requested cell ends in a row, whatever happens to its worker."""

from __future__ import annotations

import dataclasses
import datetime
import math
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks import batches, devices, disk, environments, interruption, machine, pictures, record, revisions, storage
from benchmarks.canary import Canary
from benchmarks.cells import Cell, Launch, launches
from benchmarks.datasets import Prepared
from benchmarks.errors import SchemaError, StorageError
from benchmarks.finished import Finished
from benchmarks.flops import model_flops, step_all_flops
from benchmarks.frameworks import Probe
from benchmarks.interruption import Interrupted
from benchmarks.launch import UNLIMITED, launch_in
from benchmarks.ledger import Ledger
from benchmarks.memory import MemoryLimit
from benchmarks.outgrown import Outgrown
from benchmarks.peak import Point
from benchmarks.presets import Preset
from benchmarks.proofs import STEPS, TIMEOUT_S, Proof, proven, unproven
from benchmarks.roofline import Ceiling, utilised
from benchmarks.schema import BY_NAME, SCHEMA_VERSION, validate
from benchmarks.speeds import PLAN
from benchmarks.stopping import Key, Stopping
from benchmarks.suspend import Suspend
from benchmarks.telemetry import Watch

Row = dict[str, Any]
TOGETHER = 500  # rows of launches that were not made, written with one fsync


def disproven(proof: Proof) -> Row | None:
    """Return the outcome of a cell that does not compute what is declared: it has no speed."""
    return {"status": "invalid", "reason": proof.reason} if proof.lockstep == "fail" else None


def said(ending: BaseException) -> str:
    """Say why a launch was not made, or not to its end."""
    if isinstance(ending, Interrupted):
        return f"the sweep was ended by {ending.signal.name}"
    return f"the sweep was ended by {type(ending).__name__}: {ending}"


def unwritable(ending: BaseException) -> bool:
    """Return whether a line could not be written: what the disk did not take it will not take now."""
    return isinstance(ending, StorageError) and not isinstance(ending, SchemaError)


@dataclass
class Sweep:
    """What was asked for, resolved: cells with their probes, data on disk, where rows go."""

    cells: list[Cell]
    probes: Mapping[tuple[str, str], Probe]
    data: Mapping[str, Prepared]
    results: Path
    preset: Preset
    epochs: int | None  # of an accuracy launch; None: as the recipe says
    seed: int
    timeout_s: float
    resume: bool = False
    report: Callable[[int, int, Launch, Row | None], None] = lambda done, total, planned, row: None
    report_proof: Callable[[int, int, Cell, Proof | None], None] = lambda done, total, cell, proof: None
    proof_steps: int = STEPS
    proof_timeout_s: float = TIMEOUT_S
    memory: MemoryLimit = UNLIMITED  # of each worker, a proof's too
    outgrown: Outgrown = field(default_factory=Outgrown)
    fresh_proof: bool = False
    proofs: dict[Cell, Proof] = field(default_factory=dict)
    ceilings: dict[Point, Ceiling] = field(default_factory=dict)  # absent: not known
    time_cap_s: float = math.inf  # of all speed launches; a comparison always gets one round
    plans: dict[str, dict[str, int]] = field(default_factory=dict)  # PLAN's columns by identity
    fastest_canary: dict[int, float] = field(default_factory=dict)  # seconds by CPU
    stops: dict[Key, Row] = field(default_factory=dict)  # by comparison: rounds, reason, half_width
    resumed: list[str] = field(default_factory=list)  # sweeps whose launches count with this one's
    pictured: set[tuple[str, int]] = field(default_factory=set)  # test images kept: data set, index
    ledger: Ledger = field(default_factory=lambda: Ledger(0, 0))
    path: Path = Path()  # of the results file

    def run(self) -> Ledger:
        """Launch what is to be launched, append a row for each; return the account, resumed launches included.

        Whatever ends it early, launches that it did not come to have rows that say so, unless rows cannot be written.
        """
        started, begin = datetime.datetime.now(datetime.UTC), time.monotonic()
        milliseconds = started.microsecond // 1000  # two sweeps may begin within a second, and must not share a file
        self.name = f"{started:%Y%m%dT%H%M%S}.{milliseconds:03d}-{environments.code_hash()[:6]}"
        self.path = self.results / f"{self.name}.jsonl"
        coming = deque(launches(self.cells, self.preset.rounds, self.preset.seeds, self.seed))
        self.ledger = Ledger(len(self.cells), len(coming))
        self.finished = Finished(self.results, self.identity, coming) if self.resume else Finished()
        self.resumed = self.finished.sweeps()
        try:
            with interruption.held():
                self.begin()
            self.prove()
            proofs_s = time.monotonic() - begin
            self.launch_all(coming)
        except BaseException as ending:
            if not unwritable(ending):
                with interruption.held():
                    self.leave(coming, said(ending))
                    self.end(time.monotonic() - begin, said(ending))
            raise
        self.end(time.monotonic() - begin, "", proofs=proofs_s)
        return self.ledger

    def begin(self) -> None:
        """Write the run's record, which also finds out whether results can be written at all."""
        disk.check(self.results)
        about = {"preset": dataclasses.asdict(self.preset), "seed": self.seed, "resumes": self.resumed}
        about["requested"] = self.ledger.requested
        facts = record.facts(self.probes, self.data, self.ceilings)
        storage.append(self.path, "run", {"sweep": self.name, **facts, **about, "memory_limit": self.memory.about()})
        for data in self.data.values():
            storage.append(self.path, "dataset", pictures.about(data))

    def launch_all(self, coming: deque[Launch]) -> None:
        """Take launches from the left until none is left, each when its row is written."""
        stopping = Stopping(self.cells, self.preset, self.time_cap_s, self.stops)
        with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
            while coming:
                planned = coming[0]
                if stopping.stopped(planned):
                    coming.popleft()
                    continue
                self.report(*self.ledger.progress(), planned, None)
                there = self.finished.get(self.identity(planned), planned)
                row = there or self.one(planned, Path(folder))
                with interruption.held():  # a launch has one row: it is written and gone from `coming`, or neither
                    if not there:
                        storage.append(self.path, "row", row)
                    coming.popleft()
                    self.ledger.report(planned, row, made=not there)
                    if planned.task == "speed" and (stop := stopping.enough(planned, row)):
                        self.ledger.not_needed += stopping.spared(planned)
                        storage.append(self.path, "stop", stop)
                if not there:
                    self.picture(planned, row)
                self.remember_plan(row)
                self.outgrown.note(planned, row["status"])
                self.report(*self.ledger.progress(), planned, row)

    def leave(self, coming: Iterable[Launch], reason: str) -> None:
        """Append `interrupted` rows for launches that are not to be made, as many at once as memory takes lightly."""
        stops, rows = self.stops, []
        for planned in coming:
            if planned.task == "speed" and planned.cell.comparison() in stops:
                continue
            row = self.finished.get(self.identity(planned), planned)
            if row is None:
                row = validate({**self.described(planned), "status": "interrupted", "reason": reason})
                rows.append(row)
            self.ledger.report(planned, row, made=False)
            if len(rows) == TOGETHER:
                storage.append(self.path, "row", *rows)
                rows.clear()
        storage.append(self.path, "row", *rows)

    def end(self, wall_s: float, reason: str, **others_s: float) -> None:
        """Append where the time went and how much there is; `reason` is empty where nothing ended it early."""
        self.wall = self.ledger.wall.split(wall_s, **others_s)
        counts = {"reported": len(self.ledger.rows), "not_needed": self.ledger.not_needed}
        storage.append(self.path, "end", {"wall_s": self.wall, **counts, "interrupted": reason or None})

    def prove(self) -> None:
        """Put every cell that can run through the lockstep gate, or take the proof that is kept."""
        able = [cell for cell in self.cells if self.skipped(cell) is None]
        for number, cell in enumerate(able):
            self.report_proof(number, len(able), cell, None)
            data = self.data[cell.dataset]
            proof = proven(cell, data, self.seed, self.proof_steps, self.fresh_proof, self.proof_timeout_s, self.memory)
            storage.append(self.path, "proof", {**dataclasses.asdict(cell), **dataclasses.asdict(proof)})
            self.report_proof(number + 1, len(able), cell, proof)
            self.proofs[cell] = proof.brief()

    def identity(self, planned: Launch) -> str:
        """Return the hash that decides whether an old row answers for this launch."""
        cell = planned.cell
        return cell.identity(
            task=planned.task,
            code=environments.code_hash(),
            adapters=revisions.adapters_hash(cell.revision) if cell.revision else "",
            lock=environments.lock_hash(cell.framework, cell.device),
            machine=machine.fingerprint(cell.device),
            data=self.data[cell.dataset].sha256,
            seed=planned.seed if planned.task == "speed" else None,  # accuracy launches of a cell differ by their seeds
            epochs=self.epochs_of(cell) if planned.task == "accuracy" else 0,
            chunk_s=self.preset.chunk_s if planned.task == "speed" else 0.0,
        )

    def epochs_of(self, cell: Cell) -> int:
        return RECIPES[cell.recipe].epochs if self.epochs is None else self.epochs

    def remember_plan(self, row: Row) -> None:
        """Let later speed launches of a cell take the chunks of its first one, this run's or a resumed one's."""
        if row["task"] == "speed" and row["status"] == "ok":
            self.plans.setdefault(row["cell"], {name: row[name] for name in PLAN})

    def picture(self, planned: Launch, row: Row) -> None:
        """Keep the test images that a cell's first accuracy launch misread worst, each once in a sweep."""
        data = self.data[planned.cell.dataset]
        for index in (row["mistakes"] or []) if planned.round == 0 else []:
            if (data.name, index) not in self.pictured:
                self.pictured.add((data.name, index))
                storage.append(self.path, "image", pictures.test_image(data, index))

    def described(self, planned: Launch) -> Row:
        """Return what a launch's row says of it before it is made."""
        cell = planned.cell
        proof = self.proofs.get(cell, unproven(""))
        return {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(cell),
            "revision": cell.revision or None,
            "sweep": self.name,
            "cell": self.identity(planned),
            "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "model": cell.model,
            "device_name": self.probes[cell.framework, cell.device].device_name,
            "task": planned.task,
            "round": planned.round,
            "seed": planned.seed,
            "train_flops_per_sample": model_flops(RECIPES[cell.recipe].model)[1],
            "train_all_flops_per_sample": step_all_flops(RECIPES[cell.recipe], cell.batch_size) / cell.batch_size,
            **proof.columns(),
        }

    def one(self, planned: Launch, folder: Path) -> Row:
        """Launch one cell once and return its row."""
        begin, cell = time.monotonic(), planned.cell
        row, proof = self.described(planned), self.proofs.get(cell, unproven(""))
        row |= (
            self.skipped(cell) or disproven(proof) or self.outgrown.skipped(planned) or self.measured(planned, folder)
        )
        if proof.lockstep == "unproven" and row["status"] == "ok":
            row["reason"] = proof.reason  # a speed without a proof says why it has none
        row["duration_s"] = time.monotonic() - begin
        if speed := row.get("train_samples_per_s"):
            row["flops_per_s"] = speed * row["train_flops_per_sample"]
            ceiling = self.ceilings.get(Point(cell.device, cell.dtype, cell.threads), Ceiling())
            row |= utilised(RECIPES[cell.recipe], cell.batch_size, cell.dtype, row["flops_per_s"], ceiling)
        try:
            return validate(row)
        except SchemaError as error:  # of figures computed from an answer that was valid by itself
            kept = {name: value for name, value in row.items() if BY_NAME[name].required or name == "duration_s"}
            return validate({**kept, "status": "invalid", "reason": str(error)})

    def skipped(self, cell: Cell) -> Row | None:
        """Return the outcome of a cell that need not be launched to know how it ends."""
        probe = self.probes[cell.framework, cell.device]
        if probe.problem:
            return {"status": "skipped" if probe.missing else "failed", "reason": probe.problem}
        if reason := probe.unsupported(cell.mode, cell.dtype, cell.pipeline):
            return {"status": "unsupported", "reason": reason, "framework_version": probe.version}
        return None

    def measured(self, planned: Launch, folder: Path) -> Row:
        """Start the worker and return what it measured, or how it ended."""
        cell = planned.cell
        recipe, data = RECIPES[cell.recipe], self.data[cell.dataset]
        inputs = folder / f"{cell.recipe}-{data.sha256[:16]}-{planned.seed}"
        if not inputs.exists():
            inputs.mkdir()
            weights = initial_weights(recipe.model, recipe.initialiser, planned.seed)
            batches.write_inputs(inputs, weights, planned.seed, data.train_size, self.epochs_of(cell))
        request = {
            "task": planned.task,
            "cell": dataclasses.asdict(cell),
            "data": str(data.folder),
            "inputs": str(inputs),
            "epochs": self.epochs_of(cell),
            "plan": self.plans.get(self.identity(planned)),
            "chunk_s": self.preset.chunk_s,
        }
        timed = machine.physical_cpus()[: cell.threads] if planned.task == "speed" else []
        with (
            Canary(timed, self.fastest_canary) as canary,
            Suspend() as suspend,
            Watch(devices.card(cell.device)) as watch,
        ):
            ending = launch_in(
                cell.framework, cell.device, request, cell.threads, self.timeout_s, cell.revision, self.memory
            )
        found: Row = {**(ending.answer or {}), "status": ending.status, "reason": ending.reason}
        if strange := [index for index in found.get("mistakes") or [] if not 0 <= index < data.test_size]:
            found = {"status": "invalid", "reason": f"the worker's answer names test image {strange[0]}: there is none"}
        return suspend.mark(canary.mark(watch.mark(found, found.get("train_timed_between_s"))))
