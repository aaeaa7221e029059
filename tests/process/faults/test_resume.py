"""What was measured under other conditions is measured again, and never in one number with what is new.

Here what can be changed for real is; a changed lock and another machine, by patched hashes, are in
tests/unit/sweep/test_local.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT
from report.results.load import load
from report.tables.compare import compare

TWO = ("--framework", "instant-0,instant-1", "--rounds", "2", "--seeds", "1")
LAUNCHES = 6


@pytest.fixture
def resumed(cache, tmp_path):
    """Run the sweep with --resume, from this checkout or another; return all rows' frame."""

    def run(*arguments, root=ROOT):
        line = [
            sys.executable,
            "-m",
            "tests.process.faults.harness",
            "run",
            "--model",
            "linear",
            *TWO,
            "--no-peak",
            "--resume",
        ]
        variables = {**cache, "PYTHONPATH": str(root)}
        line += ["--results", str(tmp_path / "results"), *arguments]
        done = subprocess.run(line, cwd=root, env=variables, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return load(tmp_path / "results")

    return run


def identities(frame):
    """Return how many launches each identity has, by framework and task."""
    return {key: sorted(group.groupby("cell").size()) for key, group in frame.groupby(["framework", "task"])}


@pytest.mark.fault(27)
def test_another_configuration_makes_its_own_cells_alone(resumed):
    """For real: another seed count adds one launch a cell, other epochs make the accuracy launches anew."""
    assert len(resumed()) == LAUNCHES
    assert len(resumed("--seeds", "2")) == LAUNCHES + 2  # nothing else was made again
    frame = resumed("--epochs", "2")
    assert identities(frame)["instant-0", "accuracy"] == [1, 2]
    assert identities(frame)["instant-0", "speed"] == [2]
    counted = compare(frame)
    assert counted["seeds"].tolist() == [1, 1]  # the two seeds of the recipe's own epochs are not among them
    assert counted["launches"].tolist() == [2, 2]


@pytest.mark.fault(27)
def test_a_changed_adapter_makes_all_of_its_cells_again(resumed, tmp_path):
    """For real: a copy of the checkout in which one line of an adapter was added, after one that no worker reads."""
    copy = tmp_path / "checkout"
    for folder in ("adapters", "benchmarks", "requirements", "tests/process/faults"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert len(resumed(root=copy)) == LAUNCHES
    with (copy / "benchmarks" / "cli" / "tables.py").open("a") as tables:
        tables.write("\n# changed\n")
    assert len(resumed(root=copy)) == LAUNCHES
    with (copy / "adapters" / "numpy" / "__init__.py").open("a") as adapter:
        adapter.write("\n# changed\n")
    frame = resumed(root=copy)
    assert len(frame) == 2 * LAUNCHES
    assert identities(frame)["instant-0", "speed"] == [2, 2]
    assert compare(frame)["launches"].tolist() == [2, 2]
