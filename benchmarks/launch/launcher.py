"""One planned launch becomes one row: whether to try it, what the worker measured, what disturbed the machine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from adapters.recipes import RECIPES
from benchmarks.errors import SchemaError
from benchmarks.launch import process
from benchmarks.launch.ceilings import Point
from benchmarks.launch.proof import Proof, unproven
from benchmarks.launch.replay import Judge
from benchmarks.launch.roofline import Ceiling, utilised
from benchmarks.launch.target import Row, RowBuilder, Target
from benchmarks.machine.noise import Canary, CardWatch, Suspend
from benchmarks.plan.cells import Cell, Launch
from benchmarks.record.schema import BY_NAME, FLAGS, validate
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.protocol import AccuracyRequest, Plan, SpeedRequest
from benchmarks.worker.speed import PLAN

JUDGED_FLOPS = 3e11  # of a launch, some 8 s on two cores: lenet, 20 steps of a batch of up to 1,137
FEWEST_JUDGED = 3  # steps, whatever they cost


class OomHistory:
    """The smallest batch size that ran out of memory, by cell without its batch size and by task."""

    def __init__(self) -> None:
        self.smallest: dict[Cell, dict[str, int]] = {}

    def note(self, planned: Launch, status: str) -> None:
        """Remember how a launch ended."""
        if status == "oom":
            batch_size, by_task = planned.cell.batch_size, self._by_task(planned.cell)
            by_task[planned.task] = min(batch_size, by_task.get(planned.task, batch_size))

    def skipped(self, planned: Launch) -> Row | None:
        """Return the outcome of a launch that is not worth trying, None for one that is.

        That is a larger batch than one that failed, in either task, and the launch that failed in a later round.
        """
        batch_size = planned.cell.batch_size
        for task, smallest in self._by_task(planned.cell).items():
            if smallest < batch_size or (task == planned.task and smallest == batch_size):
                return {"status": "skipped", "reason": f"the {task} launch with batch {smallest} ran out of memory"}
        return None

    def _by_task(self, cell: Cell) -> dict[str, int]:
        return self.smallest.setdefault(replace(cell, batch_size=1), {})


def _refuted(proof: Proof) -> Row | None:
    """Return the outcome of a cell that does not compute what is declared: it has no speed."""
    return {"status": "invalid", "reason": proof.reason} if proof.lockstep == "fail" else None


@dataclass
class Launcher(RowBuilder):
    """Makes the launches of a sweep here: what they share, and what earlier ones showed for later ones."""

    timeout_s: float = field(kw_only=True)
    judged_steps: int = 20  # of a launch that is timed, taken again by the reference network
    ceilings: Mapping[Point, Ceiling] = field(default_factory=dict)  # absent: not known
    plans: dict[str, Plan] = field(default_factory=dict)  # by identity
    oom_history: OomHistory = field(default_factory=OomHistory)
    fastest_canary: dict[int, float] = field(default_factory=dict)  # seconds by CPU

    def row(self, planned: Launch, folder: Path, sweep: str) -> Row:
        """Launch one cell once and return its row; `folder` is where the workers' inputs lie."""
        begin, cell = time.monotonic(), planned.cell
        row, proof = self.described(planned, sweep), self.proofs.get(cell, unproven(""))
        row |= (
            self.target(cell).skipped
            or _refuted(proof)
            or self.oom_history.skipped(planned)
            or self.measured(planned, folder)
        )
        if proof.lockstep != "pass" and row["status"] == "ok":
            row["reason"] = proof.reason  # a speed without a proof, or without all of it, says why
        row["duration_s"] = time.monotonic() - begin
        if speed := row.get("train_samples_per_s"):
            row["flops_per_s"] = speed * row["train_flops_per_sample"]
            ceiling = self.ceilings.get(Point(cell.device, cell.dtype, cell.threads), Ceiling())
            row |= utilised(RECIPES[cell.recipe], cell.batch_size, cell.dtype, row["flops_per_s"], ceiling)
        try:
            return validate(row)
        except SchemaError as error:  # of figures computed from an answer that was valid by itself
            required = {name: value for name, value in row.items() if BY_NAME[name].required or name == "duration_s"}
            return validate({**required, "status": "invalid", "reason": str(error)})

    def measured(self, planned: Launch, folder: Path) -> Row:
        """Start the worker and return the columns that it and the watchers measured, and how it ended."""
        target = self.target(planned.cell)
        inputs, evidence = _inputs(target, planned.seed, folder), folder / f"evidence-{secrets.token_hex(4)}.npz"
        place, request = target.place, self._request(target, planned, inputs, evidence)
        timed = place.cpus if planned.task == "speed" else ()
        with (
            Canary(timed, self.fastest_canary) as canary,
            Suspend() as suspend,
            CardWatch(place.card) as card,
            TemporaryDirectory(prefix="caches-", dir=folder, ignore_cleanup_errors=True) as caches,
        ):
            if planned.task == "speed":  # its first step compiles, whatever was launched before
                place = place.with_caches(Path(caches))
            outcome = process.launch(place, request, self.timeout_s).checked(target.data.test_size, len(place.cpus))
        answer = outcome.answer or {}
        judged = _judged(target, inputs, evidence, answer) if outcome.status == "ok" else {}
        evidence.unlink(missing_ok=True)
        columns = card.columns(answer)
        flags = outcome.flags | canary.flags() | suspend.flags() | card.flags(columns)
        ended = {"status": outcome.status, "reason": outcome.reason, "flags": _in_order(flags)}
        if judged.get("status") == "invalid":  # it has no speed and no accuracy
            return {**columns, **canary.columns(), **ended, **judged}
        return {**answer, **columns, **canary.columns(), **ended, **judged}

    def _request(self, target: Target, planned: Launch, inputs: Path, evidence: Path) -> SpeedRequest | AccuracyRequest:
        """Return what the worker is to do; `inputs` is as prepare_inputs left it."""
        shared = process.cell_request(target.cell, target.data, inputs)
        if planned.task == "accuracy":
            learning = {"epochs": target.epochs, "evidence": str(evidence), "save": None, "progress": False}
            return cast(AccuracyRequest, {**shared, "task": "accuracy", **learning})
        timing = {"plan": self.plans.get(target.identity(planned)), "chunk_s": self.chunk_s}
        judging = {"judged_steps": self._affordable(target), "evidence": str(evidence)}
        return cast(SpeedRequest, {**shared, "task": "speed", **timing, **judging})

    def _affordable(self, target: Target) -> int:
        """Return how many steps the reference network takes again: fewer where it would take longer than the launch."""
        step_flops = target.flops_per_sample["train_flops_per_sample"] * target.cell.batch_size
        return min(self.judged_steps, max(FEWEST_JUDGED, int(JUDGED_FLOPS / step_flops)))

    def remember(self, planned: Launch, row: Row) -> None:
        """Note for later launches of a cell which chunks its first one took, and that it ran out of memory."""
        if row["task"] == "speed" and row["status"] == "ok":
            self.plans.setdefault(row["cell"], cast(Plan, {name: row[name] for name in PLAN}))
        self.oom_history.note(planned, row["status"])


def _judged(target: Target, inputs: Path, evidence: Path, answer: Row) -> Row:
    """Return the columns on what the reference network found in a launch that ended well."""
    opened = Inputs.open(target.data.folder, inputs, target.recipe.pixels, "float64")
    return Judge(target.cell, target.recipe, opened).columns(evidence, answer.get("accuracy"))


def _in_order(flags: Iterable[str]) -> list[str]:
    """Return flags in the schema's order, unknown ones last."""
    known = list(FLAGS)
    return sorted(flags, key=lambda flag: (known.index(flag) if flag in FLAGS else len(known), flag))


def _inputs(target: Target, seed: int, folder: Path) -> Path:
    """Return the folder of a target's initial weights and order of samples below `folder`, made once per seed."""
    inputs = folder / f"{target.cell.recipe}-{target.data.sha256[:16]}-{seed}"
    if not inputs.exists():
        inputs.mkdir()
        prepare_inputs(inputs, target.recipe, seed, target.data.train_size, target.epochs)
    return inputs
