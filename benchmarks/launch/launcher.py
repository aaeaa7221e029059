"""Which launches need not be tried: one of the same cell, with this batch or a smaller one, had no memory.

One planned launch becomes one row: what need not be tried, the worker, what the machine did meanwhile.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from adapters.flops import model_flops, step_all_flops
from adapters.recipes import RECIPES
from adapters.registry import ADAPTERS
from benchmarks.errors import SchemaError
from benchmarks.launch.ceilings import Point
from benchmarks.launch.probe import Probe
from benchmarks.launch.process import UNLIMITED, axes, launch_in
from benchmarks.launch.proof import Proof, unproven
from benchmarks.launch.roofline import Ceiling, utilised
from benchmarks.machine import environments, hardware
from benchmarks.machine.memory import MemoryLimit
from benchmarks.machine.noise import Canary, CardWatch, Suspend
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import Prepared
from benchmarks.record.schema import BY_NAME, SCHEMA_VERSION, validate
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.protocol import AccuracyRequest, Plan, SpeedRequest
from benchmarks.worker.speed import PLAN


class OomHistory:
    """The smallest batch with which each cell, its batch size apart, ran out of memory, by task."""

    def __init__(self) -> None:
        self.smallest: dict[tuple[Cell, str], int] = {}

    def note(self, planned: Launch, status: str) -> None:
        """Remember how a launch ended."""
        if status == "oom":
            key = _any_batch(planned.cell), planned.task
            self.smallest[key] = min(planned.cell.batch_size, self.smallest.get(key, planned.cell.batch_size))

    def skipped(self, planned: Launch) -> dict[str, Any] | None:
        """Return the outcome of a launch that is not to be tried, None for one that is.

        A larger batch is not, whatever the task was; nor is the very launch that failed, in a later round.
        """
        batch_size = planned.cell.batch_size
        for (cell, task), smallest in self.smallest.items():
            again = task == planned.task and smallest == batch_size
            if cell == _any_batch(planned.cell) and (smallest < batch_size or again):
                return {"status": "skipped", "reason": f"the {task} launch with batch {smallest} ran out of memory"}
        return None


def _any_batch(cell: Cell) -> Cell:
    """Return what all batch sizes of a cell have in common."""
    return dataclasses.replace(cell, batch_size=1)


Row = dict[str, Any]


def _refuted(proof: Proof) -> Row | None:
    """Return the outcome of a cell that does not compute what is declared: it has no speed."""
    return {"status": "invalid", "reason": proof.reason} if proof.lockstep == "fail" else None


@dataclass
class Launcher:
    """What all launches of a sweep share, and what earlier ones told of later ones."""

    probes: Mapping[tuple[str, str], Probe]
    data: Mapping[str, Prepared]
    timeout_s: float
    chunk_s: float
    epochs: int | None = None  # of an accuracy launch; None: as the recipe says
    memory: MemoryLimit = UNLIMITED
    ceilings: Mapping[Point, Ceiling] = field(default_factory=dict)  # absent: not known
    proofs: dict[Cell, Proof] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)  # by identity
    outgrown: OomHistory = field(default_factory=OomHistory)
    fastest_canary: dict[int, float] = field(default_factory=dict)  # seconds by CPU

    def row(self, planned: Launch, folder: Path, sweep: str) -> Row:
        """Launch one cell once and return its row; what workers are handed lies in `folder`."""
        begin, cell = time.monotonic(), planned.cell
        row, proof = self.described(planned, sweep), self.proofs.get(cell, unproven(""))
        row |= self.skipped(cell) or _refuted(proof) or self.outgrown.skipped(planned) or self.measured(planned, folder)
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

    def described(self, planned: Launch, sweep: str) -> Row:
        """Return what a launch's row says of it before it is made."""
        cell = planned.cell
        proof = self.proofs.get(cell, unproven(""))
        return {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(cell),
            "revision": cell.revision or None,
            "sweep": sweep,
            "cell": self.identity(planned),
            "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "model": cell.model,
            "device_name": self.probes[cell.framework, cell.device].device_name,
            "task": planned.task,
            "round": planned.round,
            "seed": planned.seed,
            "attempt": planned.attempt,
            "train_flops_per_sample": model_flops(RECIPES[cell.recipe].model)[1],
            "train_all_flops_per_sample": step_all_flops(RECIPES[cell.recipe], cell.batch_size) / cell.batch_size,
            **proof.columns(),
        }

    def skipped(self, cell: Cell) -> Row | None:
        """Return the outcome of a cell that need not be launched to know how it ends."""
        probe = self.probes[cell.framework, cell.device]
        if probe.problem:
            return {"status": "skipped" if probe.missing else "failed", "reason": probe.problem}
        if reason := probe.unsupported(cell.mode, cell.dtype, cell.input):
            return {"status": "unsupported", "reason": reason, "framework_version": probe.version}
        return None

    def measured(self, planned: Launch, folder: Path) -> Row:
        """Start the worker and return what it measured, or how it ended."""
        cell = planned.cell
        recipe, data = RECIPES[cell.recipe], self.data[cell.dataset]
        inputs = folder / f"{cell.recipe}-{data.sha256[:16]}-{planned.seed}"
        if not inputs.exists():
            inputs.mkdir()
            prepare_inputs(inputs, recipe, planned.seed, data.train_size, self.epochs_of(cell))
        request = self._request(planned, inputs)
        timed = hardware.physical_cpus()[: cell.threads] if planned.task == "speed" else []
        with (
            Canary(timed, self.fastest_canary) as canary,
            Suspend() as suspend,
            CardWatch(hardware.card_of(cell.device)) as watch,
        ):
            ending = launch_in(
                cell.framework, cell.device, request, cell.threads, self.timeout_s, cell.revision, self.memory
            )
        found: Row = {**(ending.answer or {}), "status": ending.status, "reason": ending.reason}
        if strange := [index for index in found.get("mistakes") or [] if not 0 <= index < data.test_size]:
            found = {"status": "invalid", "reason": f"the worker's answer names test image {strange[0]}: there is none"}
        return suspend.mark(canary.mark(watch.mark(found, found.get("train_timed_between_s"))))

    def _request(self, planned: Launch, inputs: Path) -> SpeedRequest | AccuracyRequest:
        """Return what the worker is asked; `inputs` is as prepare_inputs left it."""
        cell = planned.cell
        adapter, data = ADAPTERS[cell.framework], str(self.data[cell.dataset].folder)
        if planned.task == "accuracy":
            return AccuracyRequest(
                task="accuracy",
                adapter=adapter,
                cell=axes(cell),
                data=data,
                inputs=str(inputs),
                epochs=self.epochs_of(cell),
            )
        return SpeedRequest(
            task="speed",
            adapter=adapter,
            cell=axes(cell),
            data=data,
            inputs=str(inputs),
            plan=self.plans.get(self.identity(planned)),
            chunk_s=self.chunk_s,
        )

    def identity(self, planned: Launch) -> str:
        """Return the hash that decides whether an old row answers for this launch."""
        cell = planned.cell
        return cell.identity(
            task=planned.task,
            code=environments.code_hash(),
            adapters=environments.adapters_hash(cell.revision) if cell.revision else "",
            **self.fingerprints(cell),
            data=self.data[cell.dataset].sha256,
            seed=planned.seed if planned.task == "speed" else None,  # accuracy launches of a cell differ by their seeds
            epochs=self.epochs_of(cell) if planned.task == "accuracy" else 0,
            chunk_s=self.chunk_s if planned.task == "speed" else 0.0,
        )

    def fingerprints(self, cell: Cell) -> dict[str, str]:
        """Return hashes of the environment and of the kind of machine that a cell is measured in: this one."""
        lock = environments.lock_hash(cell.framework, cell.device)
        return {"lock": lock, "machine": hardware.fingerprint(cell.device)}

    def epochs_of(self, cell: Cell) -> int:
        return RECIPES[cell.recipe].epochs if self.epochs is None else self.epochs

    def remember(self, planned: Launch, row: Row) -> None:
        """Tell later launches of a cell which chunks its first one took, or that there is no memory for it."""
        if row["task"] == "speed" and row["status"] == "ok":
            self.plans.setdefault(row["cell"], cast(Plan, {name: row[name] for name in PLAN}))
        self.outgrown.note(planned, row["status"])
