"""A made-up framework, added to a copy of this checkout by CONTRIBUTING's four boxes and nothing else.

It computes with NumPy, in numpy's environment, and is measured, proven and drawn as the others are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.machine.imports import ROOT

LEFT_OUT = (".git", ".tox", ".venv", "__pycache__", ".*_cache", ".hypothesis", ".benchmarks", "out")
ADAPTER = '''"""made_up: NumPy under another name."""

from __future__ import annotations

from adapters.contract import NARROW
from adapters.numpy import NumpyAdapter


class MadeUpAdapter(NumpyAdapter):
    """Computes as NumPy does."""

    framework = "made_up"

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        return f"made_up has never heard of {dtype}" if dtype in NARROW else None if mode == "eager" else "it is eager"
'''
RECORD = """    "made_up": Framework(
        "adapters.made_up:MadeUpAdapter",
        Look("#000001", "stroke", (1, 1), "✱"),
        devices=("cpu",),
        distributions=("numpy",),
        out_of_memory=("made up no memory",),
        in_default=False,
    ),
    "numpy": Framework("""
BOXES = {
    "folder": "adapters/made_up/__init__.py is missing",
    "record": 'adapters/registry.py has no such line: "made_up": Framework(',
    "requirements": "requirements/made_up-cpu.in",
    "tox": "tox.ini has no such line: [testenv:{",
}


def add(box: str, copy: Path) -> None:
    """Add the made-up framework's part of one box."""
    match box:
        case "folder":
            shutil.copytree(copy / "adapters/numpy", copy / "adapters/made_up")
            for path in (copy / "adapters/made_up").glob("*.py"):
                if path.name != "native.py":
                    path.unlink()
            (copy / "adapters/made_up/__init__.py").write_text(ADAPTER)
        case "record":
            _replace(copy / "adapters/registry.py", '    "numpy": Framework(', RECORD)
        case "requirements":
            for kind in ("in", "txt"):
                shutil.copy(copy / f"requirements/numpy-cpu.{kind}", copy / f"requirements/made_up-cpu.{kind}")
        case "tox":
            _replace(copy / "tox.ini", "}-{cpu,gpu}]", ",made_up}-{cpu,gpu}]")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has {old} {text.count(old)} times; this test must know its new form"
    path.write_text(text.replace(old, new))


@pytest.fixture
def copied(tmp_path):
    """Return a function that copies this checkout, adds these boxes, and returns how to run a module in it."""

    def copy(*boxes: str):
        folder = tmp_path / "copy"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        for box in boxes:
            add(box, folder)
        (folder / ".tox").mkdir()
        for environment in (path for path in (ROOT / ".tox").iterdir() if path.is_dir()):
            (folder / ".tox" / environment.name).symlink_to(environment)
        (folder / ".tox" / "made_up-cpu").symlink_to(ROOT / ".tox" / "numpy-cpu")
        variables = {**os.environ, "PYTHONPATH": str(folder), "LOCKSTEP_CACHE": str(tmp_path / "cache")}

        def run(environment: str | None, *line: str) -> subprocess.CompletedProcess[str]:
            python = folder / ".tox" / environment / "bin" / "python" if environment else sys.executable
            return subprocess.run(
                [python, "-m", *line],
                cwd=folder,
                env=variables,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )

        return run

    return copy


UNIT = (
    *("tests/unit/adapters/test_registry.py", "tests/unit/test_requirements.py", "tests/unit/test_documents.py"),
    *("tests/unit/report/page/test_charts.py", "tests/unit/plan/test_typed.py", "tests/unit/cli/test_verify.py"),
    *("tests/unit/worker/test_out_of_memory.py", "tests/unit/cli/test_help.py", "tests/process/test_imports_loaded.py"),
    "tests/process/test_frameworks.py",
)


def test_four_boxes_and_nothing_else_add_a_framework(copied):
    run = copied(*BOXES)
    for environment, line in (
        (None, ("pytest", "-q", "--hypothesis-profile", "inner", *UNIT)),
        (None, ("ruff", "check", ".")),
        (None, ("ruff", "format", "--check", ".")),
        ("made_up-cpu", ("pytest", "-q", "tests/frameworks", "--framework", "made_up")),
    ):
        done = run(environment, *line)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_proven_and_measured_where_it_is_named(copied, tmp_path):
    run = copied(*BOXES)
    amount = ("--model", "linear", "--rounds", "1", "--epochs", "1", "--seeds", "1", "--threads", "1")
    done = run(None, "benchmarks", "run", "--environment", "made_up-cpu", "--results", str(tmp_path / "rows"), *amount)
    assert done.returncode == 0, done.stderr
    [file] = (tmp_path / "rows").glob("*.jsonl")
    rows = [line for line in map(json.loads, file.read_text().splitlines()) if line["kind"] == "row"]
    assert {(row["framework"], row["status"], row["lockstep"]) for row in rows} == {("made_up", "ok", "pass")}


@pytest.mark.parametrize("box", BOXES)
def test_a_box_that_is_left_out_is_named(copied, box):
    run = copied(*[other for other in BOXES if other != box])
    done = run(None, "pytest", "-q", "tests/unit/adapters/test_registry.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert BOXES[box] in done.stdout
