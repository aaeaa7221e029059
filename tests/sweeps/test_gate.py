"""The gate in a real sweep: a framework that computes less than was declared gets no speed, and so cannot win."""

from __future__ import annotations

import json

import pytest

from tests.sweeps.conftest import ONE_THREAD


@pytest.fixture
def swept(broken_command, command, tmp_path):
    """Sweep mlp in numpy, replaced by another adapter, and torch; return (process, rows by framework)."""

    def run(adapter, *arguments):
        options = ("--framework", "numpy,torch", "--model", "mlp", "--rounds", "1", "--epochs", "0", *ONE_THREAD)
        done = broken_command(adapter, "run", *options, "--results", str(tmp_path / "results"), *arguments)
        lines = command("report", "rows", "--format", "jsonl", "--results", str(tmp_path / "results")).stdout
        return done, {row["framework"]: row for row in map(json.loads, lines.splitlines())}

    return run


def test_a_framework_that_skips_the_backward_pass_is_invalid_and_not_the_winner(swept, tmp_path, command):
    done, rows = swept("tests.sweeps.broken:SkipsBackward")
    assert done.returncode == 1
    assert rows["numpy"]["status"] == "invalid"
    assert rows["numpy"]["lockstep"] == "fail"
    assert rows["numpy"]["train_samples_per_s"] is None
    assert "the loss is" in rows["numpy"]["reason"]
    assert rows["torch"]["lockstep"] == "pass"
    assert rows["torch"]["lockstep_float64_deviation"] < 1e-12
    table = command("report", "compare", "--results", str(tmp_path / "results")).stdout
    print(table)
    torch, numpy = (
        next(line for line in table.splitlines() if line.split()[:1] == [name]) for name in ("torch", "numpy")
    )
    assert table.index(torch) < table.index(numpy)
    assert "invalid" in numpy
    assert "mlp, batch 100: torch " in table


def test_a_proof_is_kept_until_what_it_depends_on_changes(swept, tmp_path):
    cache = tmp_path / "cache"
    honest = ("adapters.numpy:NumpyAdapter", "--rounds", "0", "--epochs", "1", "--seeds", "1")  # no speed: sooner done
    swept(*honest)
    kept = {path: path.stat().st_mtime_ns for path in (cache / "proofs").glob("*.json")}
    assert len(kept) == 2
    swept(*honest)
    assert kept == {path: path.stat().st_mtime_ns for path in (cache / "proofs").glob("*.json")}
    swept(*honest, "--fresh-proof")
    assert all(path.stat().st_mtime_ns > before for path, before in kept.items())
    swept(*honest, "--seed", "1")
    assert len(list((cache / "proofs").glob("*.json"))) == 4
