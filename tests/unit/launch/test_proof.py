"""When a kept proof counts, with a gate that only pretends."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.launch import proof
from benchmarks.launch.outcome import Outcome
from benchmarks.machine import environments, hardware
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared

CELL = Cell("torch", "mlp", "tiny", "cpu", 100, "eager", "float32", 1)
DATA = Prepared("tiny", "0" * 64, Path("unused"), 200, 100, "made up")
PASSED = {"lockstep": "pass", "why": "", "deviations": {}, "float64_deviation": 0.0, "steps": 2, "oracle_sha256": ""}


@pytest.fixture
def proofs(monkeypatch, tmp_path):
    """Ask for the proof of a cell; return how many the gate has made so far."""
    launched = []
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "lock_hash", lambda *_: "a lock")
    monkeypatch.setattr(proof.Place, "of_framework", lambda *_: None)
    monkeypatch.setattr(proof, "launch", lambda *given: launched.append(given) or Outcome("ok", "", PASSED, ""))

    def ask(kernels="torch AVX512"):
        assert proof.cached_proof(CELL, DATA, 0, kernels, steps=2).lockstep == "pass"
        return len(launched)

    return ask


@pytest.mark.fault(44)
def test_other_kernels_need_another_proof(proofs):
    assert [proofs(), proofs(), proofs("torch DEFAULT"), proofs(), proofs("torch DEFAULT")] == [1, 1, 2, 2, 2]


@pytest.mark.fault(43)
def test_another_kind_of_machine_needs_another_proof(proofs, monkeypatch):
    proofs()
    monkeypatch.setattr(hardware, "fingerprint", lambda device="cpu": "another")
    assert [proofs(), proofs()] == [2, 2]
