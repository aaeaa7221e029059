"""One cell as a target of launches, and what its rows say before a launch is made.

A target is made once per cell and then only passed on: a launch asks neither the environments nor the hardware. Rows of
another machine are built in the same way, from the facts that it reported.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapters.declaration import Recipe
from adapters.flops import model_flops, step_all_flops
from adapters.networks import digest
from adapters.recipes import RECIPES
from benchmarks.launch.probe import Probe
from benchmarks.launch.process import Place
from benchmarks.launch.proof import Proof, unproven
from benchmarks.machine import environments, git, hardware
from benchmarks.machine.memory import UNLIMITED, MemoryLimit
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import Prepared
from benchmarks.record.schema import SCHEMA_VERSION, validate

Row = dict[str, Any]


class Environment(NamedTuple):
    """What rows and identities say of a framework's environment and its machine; both hashes are 16 hex digits."""

    lock: str  # of the pinned requirements
    machine: str  # of the machine's kind
    device_name: str
    kernels: str  # that its libraries chose: on one kind of machine they may have been told to choose others


def _local_environment(probe: Probe) -> Environment:
    """Return a probe's environment on this machine."""
    lock = environments.lock_hash(probe.framework, probe.device)
    return Environment(lock, hardware.fingerprint(probe.device), probe.device_name, probe.kernels)


@dataclass(frozen=True)
class Target:
    """One cell with all that its launches and rows need: where it runs, on which data, what decides its identity."""

    cell: Cell
    probe: Probe
    data: Prepared
    environment: Environment
    code: str  # hash of what a worker loads
    adapters: str  # hash of the same with a revision's adapters; empty for the checkout's
    chunk_s: float
    epochs: int  # of an accuracy launch
    memory: MemoryLimit
    identities: dict[tuple[str, int], str] = field(default_factory=dict, compare=False)  # by task and seed

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.cell.recipe]

    @functools.cached_property
    def flops_per_sample(self) -> dict[str, float]:
        """A row's columns on the FLOPs of training: the model's, and all that a step computes."""
        step = step_all_flops(self.recipe, self.cell.batch_size)
        return {
            "train_flops_per_sample": model_flops(self.recipe.model)[1],
            "train_all_flops_per_sample": step / self.cell.batch_size,
        }

    @functools.cached_property
    def place(self) -> Place:
        """Where its workers run, looked up at the first launch: a cell that is never launched need not have one."""
        cell = self.cell
        return Place.of_framework(cell.framework, cell.device, cell.threads, cell.revision, self.memory)

    @functools.cached_property
    def skipped(self) -> Row | None:
        """The outcome of a cell that is not launched because it cannot run; None for one that can."""
        cell, probe = self.cell, self.probe
        if probe.problem:
            return {"status": "skipped" if probe.missing else "failed", "reason": probe.problem}
        if reason := probe.refusal(cell):
            return {"status": "unsupported", "reason": reason}
        return None

    def identity(self, planned: Launch) -> str:
        """Return the hash that decides whether an old row answers for this launch; computed once per task and seed."""
        key = planned.task, planned.seed
        if key not in self.identities:
            is_speed = planned.task == "speed"
            self.identities[key] = self.cell.identity(
                task=planned.task,
                network=digest(self.recipe),
                code=self.code,
                adapters=self.adapters,
                lock=self.environment.lock,
                machine=self.environment.machine,
                kernels=self.environment.kernels,
                data=self.data.sha256,
                seed=planned.seed if is_speed else None,  # accuracy launches of a cell differ by their seeds
                epochs=0 if is_speed else self.epochs,
                chunk_s=self.chunk_s if is_speed else 0.0,
            )
        return self.identities[key]


@dataclass
class RowBuilder:
    """The targets of a sweep's cells on one kind of machine, and their rows before a launch."""

    probes: Mapping[tuple[str, str], Probe]
    data: Mapping[str, Prepared]
    chunk_s: float
    epochs: int | None = None  # of an accuracy launch; None: as the recipe says
    memory: MemoryLimit = UNLIMITED
    environment: Callable[[Probe], Environment] = _local_environment
    proofs: dict[Cell, Proof] = field(default_factory=dict)
    targets: dict[Cell, Target] = field(default_factory=dict)

    def target(self, cell: Cell) -> Target:
        """Return a cell's target, made at the first call."""
        if cell not in self.targets:
            probe = self.probes[cell.framework, cell.device]
            self.targets[cell] = Target(
                cell,
                probe,
                self.data[cell.dataset],
                self.environment(probe),
                environments.code_hash(),
                git.adapters_hash(cell.revision) if cell.revision else "",
                self.chunk_s,
                RECIPES[cell.recipe].epochs if self.epochs is None else self.epochs,
                self.memory,
            )
        return self.targets[cell]

    def identity(self, planned: Launch) -> str:
        """Return the hash that decides whether an old row answers for this launch."""
        return self.target(planned.cell).identity(planned)

    def described(self, planned: Launch, sweep: str) -> Row:
        """Return what a launch's row says of it before it is made."""
        target, cell = self.target(planned.cell), planned.cell
        return {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(cell),
            "revision": cell.revision or None,
            "sweep": sweep,
            "cell": target.identity(planned),
            "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "model": cell.model,
            "device_name": target.environment.device_name,
            "framework_version": target.probe.version or None,
            "task": planned.task,
            "round": planned.round,
            "seed": planned.seed,
            "attempt": planned.attempt,
            **target.flops_per_sample,
            **self.proofs.get(cell, unproven("")).columns(),
        }

    def interrupted(self, planned: Launch, sweep: str, reason: str) -> Row:
        """Return the row of a launch that was lost or is not to be made."""
        return validate({**self.described(planned, sweep), "status": "interrupted", "reason": reason})
