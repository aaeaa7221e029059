"""One direction of imports, and nothing in a worker but the standard library, NumPy and its framework."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"adapters": set(), "benchmarks": {"adapters"}, "report": {"benchmarks", "adapters"}}
OURS = set(ALLOWED)
ENGINE = {"dask", "dask_jobqueue", "distributed"}


def imported(path: Path) -> set[str]:
    """Return the top-level names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_one_way(package):
    for path in (ROOT / package).rglob("*.py"):
        assert imported(path) & OURS <= ALLOWED[package] | {package}, path.name


def test_only_the_report_imports_pandas():
    for package in ("adapters", "benchmarks"):
        for path in (ROOT / package).rglob("*.py"):
            assert "pandas" not in imported(path), path.name


def test_only_the_engine_imports_dask_and_only_its_commands_import_what_does():
    inside = [path for path in (ROOT / "benchmarks" / "engine").rglob("*.py") if imported(path) & ENGINE]
    assert inside
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            assert path in inside or not imported(path) & ENGINE or at_need(path), path.name


def at_need(path: Path) -> bool:
    """Return whether a file imports the engine's packages for its annotations alone."""
    outside = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in outside}
    return path.parent.name == "commands" and not {name.split(".")[0] for name in names} & ENGINE
