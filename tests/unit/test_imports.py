"""One direction of imports, and nothing in a worker but the standard library, NumPy and its framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.registry import ADAPTERS

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"adapters": set(), "benchmarks": {"adapters"}, "report": {"benchmarks", "adapters"}}
OURS = set(ALLOWED)
ENGINE = {"dask", "dask_jobqueue", "distributed"}
LATER = {"mlxtend", "pooch", "pyarrow", "pynvml", "requests", "safetensors", "starlette", "threadpoolctl", "uvicorn"}


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


@pytest.mark.parametrize("module", ["benchmarks.__main__", "report.app"])
def test_the_parent_imports_no_framework(module):
    program = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout.split())
    assert not loaded & set(ADAPTERS) - {"numpy"}
    assert ("pandas" in loaded) == module.startswith("report")
    if module.startswith("benchmarks"):
        assert not loaded & LATER


def test_a_worker_loads_the_standard_library_and_numpy_alone():
    program = (
        "import sys; before = set(sys.modules); import benchmarks.worker;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    command = [sys.executable, "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout.split())
    # Cython names its runtime modules so; NumPy's compiled parts bring them along.
    assert {name for name in loaded if "cython" not in name.lower()} == {"numpy", "adapters", "benchmarks"}
