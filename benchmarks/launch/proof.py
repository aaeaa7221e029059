"""Proofs that cells compute what is declared: a worker makes one, and it is cached until what it depends on changes.

A proof depends on the pinned environment, the code of the adapters and of the gate, the recipe, the data, the seed and
the kind of machine with the kernels that the libraries chose on it. The user's cache holds one file for each.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adapters.recipes import RECIPES
from benchmarks import files
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.process import Place, cell_request, launch
from benchmarks.machine import environments, git, hardware, imports
from benchmarks.machine.memory import UNLIMITED, MemoryLimit
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.protocol import ProveRequest

STEPS = 200
TIMEOUT_S = 1800.0
LARGEST_BATCH = 1024  # larger batches are proven at this size: the same kernels, and a proof must stay cheap
CODE = ("benchmarks.worker.lockstep.prove", "adapters.registry")  # a proof depends on the gate and on the adapters

BRIEF = ("deviations", "float64_deviation", "steps", "oracle_sha256")


@dataclass(frozen=True)
class Proof:
    """What a row says of a cell's proof; `verdict` is the gate's whole answer, empty where it gave no answer."""

    lockstep: str  # pass, fail, unproven
    reason: str
    verdict: dict[str, Any]

    def columns(self) -> dict[str, Any]:
        """Return the row's columns on the proof."""
        if not self.verdict:
            return {"lockstep": self.lockstep}
        return {
            "lockstep": self.lockstep,
            "lockstep_max_deviation": self.verdict["deviations"].get("loss"),
            "lockstep_float64_deviation": self.verdict["float64_deviation"],
            "lockstep_steps": self.verdict["steps"],
            "oracle_sha256": self.verdict["oracle_sha256"],
        }

    def brief(self) -> Proof:
        """Return what rows need of it; a gate's whole answer for each of ten thousand cells would fill the memory."""
        return replace(self, verdict={name: value for name, value in self.verdict.items() if name in BRIEF})


def unproven(reason: str) -> Proof:
    """Return the proof of a cell that could not be put through the gate."""
    return Proof("unproven", reason, {})


def cached_proof(
    cell: Cell,
    data: Prepared,
    seed: int,
    kernels: str,
    steps: int = STEPS,
    fresh: bool = False,
    timeout_s: float = TIMEOUT_S,
    memory: MemoryLimit = UNLIMITED,
) -> Proof:
    """Return the cached proof of a cell, or make one and cache it if it is a pass or a fail.

    `kernels` are those that the probe of the cell's environment reported.
    """
    cell = replace(cell, batch_size=min(cell.batch_size, LARGEST_BATCH))
    shared = {
        "recipe": repr(RECIPES[cell.recipe]),
        "data": data.sha256,
        "seed": seed,
        "steps": steps,
        "batch_size": cell.batch_size,
    }
    decisive = _own_key(cell, kernels) | shared
    if not fresh and (cached := files.read_cached("proofs", decisive)):
        return Proof(**cached)
    inputs = files.default_cache() / "proofs" / f"oracle-{files.cache_key(shared | {'code': imports.code_hash(*CODE)})}"
    _write_inputs(inputs, cell, data, seed, steps)
    place = Place.of_framework(cell.framework, cell.device, cell.threads, cell.revision, memory)
    request: ProveRequest = {**cell_request(cell, data, inputs), "task": "prove", "steps": steps}
    proof = _proof_of(launch(place, request, timeout_s))
    if proof.lockstep != "unproven":
        files.write_cached("proofs", decisive, asdict(proof))
    return proof


def _own_key(cell: Cell, kernels: str) -> dict[str, str]:
    """Return what a proof depends on that the oracle's losses do not."""
    return {
        "code": imports.code_hash(*CODE, folders=git.search_path(cell.revision)),
        "lock": environments.lock_hash(cell.framework, cell.device),
        "machine": hardware.fingerprint(cell.device),
        "kernels": kernels,
        **{name: getattr(cell, name) for name in ("framework", "device", "mode", "dtype", "threads", "input")},
    }


def _write_inputs(inputs: Path, cell: Cell, data: Prepared, seed: int, steps: int) -> None:
    """Make the folder of inputs that the reference network and the frameworks share, if it is not there."""
    if inputs.exists():
        return
    inputs.parent.mkdir(parents=True, exist_ok=True)
    epochs = -(-steps * cell.batch_size // data.train_size)
    part = Path(tempfile.mkdtemp(dir=inputs.parent))  # renamed when whole: a crash must not leave half of it
    prepare_inputs(part, RECIPES[cell.recipe], seed, data.train_size, min(epochs, steps))
    try:
        part.rename(inputs)
    except OSError:  # another sweep was first, with the same content
        shutil.rmtree(part)


def _proof_of(outcome: Outcome) -> Proof:
    """Return what the end of the gate's worker proves."""
    if outcome.status == "invalid":  # it did not build what is declared
        return Proof("fail", outcome.reason, {})
    if outcome.status != "ok" or outcome.answer is None:
        return unproven(f"the gate ended {outcome.status}: {outcome.reason}")
    return Proof(outcome.answer["lockstep"], outcome.answer["why"], outcome.answer)
