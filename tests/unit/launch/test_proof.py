"""When a kept proof counts, and which proofs share a process, with a gate that only pretends."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.launch import proof
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.proof import Gate, Wanted
from benchmarks.machine import environments, hardware
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared

CELL = Cell("torch", "mlp", "tiny", "cpu", 100, "eager", "float32", 1)
LENET = replace(CELL, recipe="lenet")
DATA = Prepared("tiny", "0" * 64, Path("unused"), 200, 100, "made up", (1, 28, 28), 10)
PASSED = {"lockstep": "pass", "why": "", "deviations": {}, "float64_deviation": 0.0, "steps": 2, "oracle_sha256": ""}


class Pretended:
    """A gate whose workers end as `ended` says of the cells that they were asked for."""

    def __init__(self):
        self.launched = []
        self.ended = lambda cells: Outcome("ok", "", {"verdicts": [PASSED] * len(cells)}, "")

    def launch(self, place, request, timeout_s):
        cells = [Cell(**one["cell"]) for one in request["proofs"]]
        self.launched.append(cells)
        return self.ended(cells)

    def prove(self, *cells, kernels="torch AVX512", **settings):
        """Return how each cell's proof ended, in the order in which they came."""
        wanted = [Wanted(cell, DATA, kernels) for cell in cells]
        return [(one.cell, found.lockstep) for one, found in Gate(steps=2, **settings).proofs(wanted)]


@pytest.fixture
def gate(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "lock_hash", lambda *_: "a lock")
    place = proof.Place(Path("python"), {}, (0,))
    monkeypatch.setattr(proof.Place, "of_framework", lambda *_: place)
    monkeypatch.setattr(Gate, "_prepared", lambda self, wanted: tmp_path)
    monkeypatch.setattr(proof, "launch", (pretended := Pretended()).launch)
    return pretended


@pytest.fixture
def proofs(gate):
    """Ask for the proof of a cell; return how many the gate has made so far."""

    def ask(kernels="torch AVX512"):
        assert gate.prove(CELL, kernels=kernels) == [(CELL, "pass")]
        return len(gate.launched)

    return ask


@pytest.mark.fault(44)
def test_other_kernels_need_another_proof(proofs):
    assert [proofs(), proofs(), proofs("torch DEFAULT"), proofs(), proofs("torch DEFAULT")] == [1, 1, 2, 2, 2]


@pytest.mark.fault(43)
def test_another_kind_of_machine_needs_another_proof(proofs, monkeypatch):
    proofs()
    monkeypatch.setattr(hardware, "fingerprint", lambda device="cpu": "another")
    assert [proofs(), proofs()] == [2, 2]


def test_proofs_that_differ_in_recipe_mode_or_batch_share_a_process_and_no_others(gate):
    others = [replace(CELL, framework="jax"), replace(CELL, dtype="float64"), replace(CELL, input="host")]
    together = [CELL, LENET, replace(CELL, batch_size=10), replace(LENET, mode="compiled")]
    found = gate.prove(*together, *others)
    assert sorted(map(len, gate.launched)) == [1, 1, 1, 4]
    assert dict(found) == dict.fromkeys([*together, *others], "pass")
    assert together in gate.launched


def test_a_process_proves_no_more_than_its_memory_is_meant_for(gate):
    gate.prove(*(replace(CELL, batch_size=size) for size in range(1, proof.IN_ONE_PROCESS + 2)))
    assert sorted(map(len, gate.launched)) == [1, proof.IN_ONE_PROCESS]


def test_what_the_reference_network_finds_is_made_once_for_all_frameworks(gate, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(Gate, "_prepared", lambda self, wanted: made.append(wanted.cell) or tmp_path)
    gate.prove(*(replace(CELL, framework=name, batch_size=size) for name in ("torch", "jax") for size in (10, 20)))
    assert sorted(cell.batch_size for cell in made) == [10, 20]


def test_large_batches_are_proven_once_at_the_largest_size_of_a_proof(gate):
    large = [replace(CELL, batch_size=size) for size in (2048, 1024, 4096)]
    assert gate.prove(*large, fresh=True) == [(cell, "pass") for cell in large]
    assert gate.launched == [[large[1]]]


@pytest.mark.parametrize(("status", "proven"), [("crashed", "unproven"), ("invalid", "fail"), ("ok", "unproven")])
def test_a_cell_whose_process_ends_badly_takes_none_of_the_others_with_it(gate, status, proven):
    def ended(cells):
        answer = {"verdicts": [PASSED] * (len(cells) - (LENET in cells))}
        return Outcome("ok", "", answer, "") if LENET not in cells or status == "ok" else Outcome(status, "", None, "")

    gate.ended = ended
    assert dict(gate.prove(CELL, LENET)) == {CELL: "pass", LENET: proven}
    assert gate.launched == [[CELL, LENET], [CELL], [LENET]]


def test_proofs_of_frameworks_are_made_side_by_side_on_cores_and_one_by_one_on_a_card(gate, monkeypatch):
    monkeypatch.setattr(proof, "physical_cpus", lambda: [0, 1])
    both, at_once = threading.Barrier(2), []

    def ended(cells):
        if cells[0].device == "cpu":
            both.wait(60)  # broken unless two are there
        return Outcome("ok", "", {"verdicts": [PASSED]}, "")

    pool = proof.ThreadPoolExecutor
    monkeypatch.setattr(proof, "ThreadPoolExecutor", lambda workers: at_once.append(workers) or pool(workers))
    gate.ended = ended
    for device in ("cpu", "gpu"):
        gate.prove(*(replace(CELL, framework=name, device=device) for name in ("torch", "jax")))
    assert at_once == [2, 1]


def test_an_interruption_begins_no_proof(gate, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(proof.signals, "end_children", ended.set)

    def interrupted(futures):
        raise Interrupted(proof.signals.signal.SIGINT)

    def killed(cells):
        assert ended.wait(60)
        return Outcome("crashed", "ended by SIGKILL", None, "")

    monkeypatch.setattr(proof, "as_completed", interrupted)
    gate.ended = killed
    with pytest.raises(Interrupted):
        gate.prove(CELL, LENET)
    assert gate.launched in ([], [[CELL, LENET]])
