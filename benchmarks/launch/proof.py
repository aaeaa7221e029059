"""Proofs that cells compute what is declared: a worker makes one, and it is cached until what it depends on changes.

A proof depends on the pinned environment, the code of the adapters and of the gate, the recipe, the data, the seed and
the kind of machine with the kernels that the libraries chose on it. The user's cache holds one file for each.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adapters.networks import digest
from adapters.recipes import RECIPES
from benchmarks import files
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.process import Place, cell_request, launch
from benchmarks.machine import environments, git, hardware, imports, signals
from benchmarks.machine.hardware import physical_cpus
from benchmarks.machine.memory import UNLIMITED, MemoryLimit
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.libraries import numpy_on_one_thread
from benchmarks.worker.lockstep import prove
from benchmarks.worker.protocol import ProveRequest, ToProve

STEPS = 200
TIMEOUT_S = 1800.0
IN_ONE_PROCESS = 8  # proofs: its memory grows with each
# Threads of proofs side by side do not spin. OpenBLAS takes the exponent of two of the cycles, 4 at least.
# https://github.com/OpenMathLib/OpenBLAS/issues/5171
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
LARGEST_BATCH = 1024  # larger batches are proven at this size: the same kernels, and a proof must stay cheap
CODE = ("benchmarks.worker.lockstep.prove", "adapters.registry")  # a proof depends on the gate and on the adapters

BRIEF = ("deviations", "float64_deviation", "steps", "oracle_sha256")


@dataclass(frozen=True)
class Proof:
    """What a row says of a cell's proof; `verdict` is the gate's whole answer, empty where it gave no answer."""

    lockstep: str  # pass, float32 only, fail, unproven
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


@dataclass(frozen=True)
class Wanted:
    """A cell to prove, on its data; `kernels` are those that the probe of its environment reported."""

    cell: Cell
    data: Prepared
    kernels: str


Proven = tuple[Wanted, Proof]


@dataclass(frozen=True)
class Gate:
    """How proofs are made: `steps` of the float64 run, `fresh` also where one is kept, seconds for each."""

    seed: int = 0
    steps: int = STEPS
    fresh: bool = False
    timeout_s: float = TIMEOUT_S
    memory: MemoryLimit = UNLIMITED

    def proofs(self, wanted: Iterable[Wanted]) -> Iterator[Proven]:
        """Yield each with its proof as it is known: those that are kept first; a new pass or fail is kept.

        Those of one framework share a process, which loads it once, and frameworks have their turns side by side, as
        many at once as there are cores: nothing is timed. Where such a process does not end well, each of its cells
        has one of its own.
        """
        asked: dict[str, list[Wanted]] = defaultdict(list)  # by what decides the proof
        for one in wanted:
            asked[files.cache_key(self._key(one))].append(one)
        missing = []
        for same in asked.values():
            kept = None if self.fresh else files.read_cached("proofs", self._key(same[0]))
            if kept:
                yield from ((one, Proof(**kept)) for one in same)
            else:
                missing.append(same[0])
        with numpy_on_one_thread():
            prepared = {key: self._prepared(one) for key, one in {self._reference(one): one for one in missing}.items()}
        inputs = {one: prepared[self._reference(one)] for one in missing}
        for one, proof in self._proven_groups(list(_together(missing)), inputs):
            if proof.lockstep != "unproven":
                files.write_cached("proofs", self._key(one), asdict(proof))
            yield from ((other, proof) for other in asked[files.cache_key(self._key(one))])

    def _proven_groups(self, groups: Sequence[Sequence[Wanted]], inputs: Mapping[Wanted, Path]) -> Iterator[Proven]:
        """Yield the proofs of all groups as they are made. An interruption ends all."""
        on_cards = any(one.cell.device != "cpu" for group in groups for one in group)
        stop = threading.Event()
        with ThreadPoolExecutor(1 if on_cards else len(physical_cpus())) as pool:  # two may not fit onto a card
            try:
                for ended in as_completed([pool.submit(self._of_group, group, inputs, stop) for group in groups]):
                    yield from ended.result()
            except BaseException:  # Interrupted is one; no proof must outlive it, and none must begin
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                signals.end_children()
                raise

    def _of_group(
        self, group: Sequence[Wanted], inputs: Mapping[Wanted, Path], stop: threading.Event
    ) -> Iterable[Proven]:
        """Return the proofs of cells that share a process; each has one of its own where that does not end well."""
        outcome = self._launched(group, inputs)
        if outcome.answer and len(outcome.answer.get("verdicts", ())) == len(group):
            return zip(group, map(_proof_from, outcome.answer["verdicts"]), strict=True)
        if len(group) == 1:
            return [(group[0], _proof_of(outcome))]
        return [(one, _proof_of(self._launched([one], inputs))) for one in group if not stop.is_set()]

    def _launched(self, group: Sequence[Wanted], inputs: Mapping[Wanted, Path]) -> Outcome:
        """Put cells through the gate in a fresh process."""
        cell = group[0].cell
        place = Place.of_framework(cell.framework, cell.device, cell.threads, cell.revision, self.memory)
        place = replace(place, variables={**place.variables, **WAITING})
        requests = [cell_request(_proven_as(one.cell), one.data, inputs[one]) for one in group]
        proofs = [
            ToProve(cell=r["cell"], network=r["network"], data=r["data"], inputs=r["inputs"], steps=self.steps)
            for r in requests
        ]
        request = ProveRequest(task="prove", adapter=requests[0]["adapter"], proofs=proofs)
        return launch(place, request, self.timeout_s * len(group))

    def _key(self, wanted: Wanted) -> dict[str, Any]:
        """Return everything that a proof depends on."""
        cell = _proven_as(wanted.cell)
        return _own_key(cell, wanted.kernels) | self._shared_key(wanted) | {"batch_size": cell.batch_size}

    def _shared_key(self, wanted: Wanted) -> dict[str, Any]:
        """Return what a proof and the reference network's part of it depend on."""
        network = digest(RECIPES[wanted.cell.recipe])
        return {"network": network, "data": wanted.data.sha256, "seed": self.seed, "steps": self.steps}

    def _reference(self, wanted: Wanted) -> tuple[str, str, int]:
        """Return what tells apart what the reference network finds, among the cells of one gate."""
        return wanted.cell.recipe, wanted.data.sha256, _proven_as(wanted.cell).batch_size

    def _prepared(self, wanted: Wanted) -> Path:
        """Return the folder of inputs that all frameworks share, with what the reference network finds on them."""
        key = files.cache_key(self._shared_key(wanted) | {"code": imports.code_hash(*CODE)})
        inputs, cell = files.default_cache() / "proofs" / f"oracle-{key}", _proven_as(wanted.cell)
        _write_inputs(inputs, cell, wanted.data, self.seed, self.steps)
        prove.prepare(RECIPES[cell.recipe], wanted.data.folder, inputs, self.steps, cell.batch_size)
        return inputs


def _proven_as(cell: Cell) -> Cell:
    """Return the cell that is put through the gate for one."""
    return replace(cell, batch_size=min(cell.batch_size, LARGEST_BATCH))


def _together(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """Yield those that share a process: they differ in no more than recipe, data, mode and batch size."""
    groups: dict[tuple[Any, ...], list[Wanted]] = defaultdict(list)
    for one in wanted:
        cell = one.cell
        groups[cell.framework, cell.device, cell.dtype, cell.threads, cell.input, cell.revision].append(one)
    for group in groups.values():
        yield from (group[first : first + IN_ONE_PROCESS] for first in range(0, len(group), IN_ONE_PROCESS))


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
    epochs = -(-prove.samples(steps, LARGEST_BATCH) // data.train_size)
    part = Path(tempfile.mkdtemp(dir=inputs.parent))  # renamed when whole: a crash must not leave half of it
    prepare_inputs(part, RECIPES[cell.recipe], seed, data.train_size, epochs)
    try:
        part.rename(inputs)
    except OSError:  # another sweep was first, with the same content
        shutil.rmtree(part)


def _proof_of(outcome: Outcome) -> Proof:
    """Return what the end of a worker proves that had one cell alone."""
    if outcome.status == "invalid":  # it did not build what is declared
        return Proof("fail", outcome.reason, {})
    verdicts = outcome.answer.get("verdicts", []) if outcome.answer else []
    if outcome.status != "ok" or len(verdicts) != 1:
        return unproven(f"the gate ended {outcome.status}: {outcome.reason or f'{len(verdicts)} verdicts on a cell'}")
    return _proof_from(verdicts[0])


def _proof_from(verdict: dict[str, Any]) -> Proof:
    """Return the proof that a verdict of the gate is."""
    return Proof(verdict["lockstep"], verdict["why"], verdict)
