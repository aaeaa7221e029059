"""Arms of one framework in one sweep: interpreters of one's own, one that nobody made, and one that is no Python."""

from __future__ import annotations

import json

from benchmarks.machine.environments import ROOT

PYTHON = ROOT / ".tox/numpy-cpu/bin/python"
SMALL = ("--model", "linear", "--rounds", "1", "--seeds", "0", "--threads", "1", "--no-peak")


def test_arms_run_beside_their_framework_and_one_that_is_missing_harms_none(command, tmp_path):
    results = str(tmp_path / "rows")
    arms = ("--framework", "numpy@again,numpy,numpy@0.0.1", "--python", f"numpy@again={PYTHON}")
    done = command("benchmarks", "run", *arms, *SMALL, "--results", results)
    assert done.returncode == 1, done.stdout + done.stderr  # one did not run
    assert "make it with: tox -e arms -- numpy@0.0.1" in " ".join(done.stdout.split()) + " ".join(done.stderr.split())
    [file] = (tmp_path / "rows").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = {row["framework"]: row for row in lines if row["kind"] == "row"}
    assert {name: row["status"] for name, row in rows.items()} == {
        "numpy": "ok",
        "numpy@again": "ok",
        "numpy@0.0.1": "skipped",
    }
    assert rows["numpy"]["framework_version"] == rows["numpy@again"]["framework_version"]
    proofs = {proof["framework"] for proof in lines if proof["kind"] == "proof"}
    assert proofs >= {"numpy", "numpy@again"}

    compared = command("report", "compare", results, "--by", "version", "--wide", "--format", "json")
    lines = {line["framework"]: line for line in json.loads(compared.stdout)}
    assert {name: line["base_framework"] for name, line in lines.items()} == dict.fromkeys(
        set(rows) - {"numpy"}, "numpy"
    )
    assert lines["numpy@again"]["times"] == "same rounds"
    assert "make it with: tox -e arms -- numpy@0.0.1" in lines["numpy@0.0.1"]["notes"]
    differing = command("benchmarks", "info", "diff", "numpy", "numpy@again", "--results", results, "--json")
    assert {found["what"] for found in json.loads(differing.stdout)} == {"lock"}
