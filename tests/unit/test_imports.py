"""Which package may import which: one table, held for every module and every import, those in functions too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A package imports those before it, and none of its own row; each row stands on the rows above it.
ROWS = (
    ("adapters",),
    ("benchmarks.errors",), ("benchmarks.stats",), ("benchmarks.files",), ("benchmarks.plan",),
    ("benchmarks.worker",), ("benchmarks.machine",), ("benchmarks.record",), ("benchmarks.launch",),
    ("benchmarks.sweep", "benchmarks.models", "benchmarks.checks"),
    ("benchmarks.sweep.dask",), ("benchmarks.cli",), ("benchmarks.__main__",),
    ("report",),
)  # fmt: skip
FLOOR = {package: number for number, row in enumerate(ROWS) for package in row}
ONLY = {  # what a package may import where that is less than all below it
    "benchmarks.worker": {"adapters"},  # a framework's environment has nothing else
    "benchmarks.sweep.dask": {name for name in FLOOR if FLOOR[name] <= FLOOR["benchmarks.sweep"]}
    - {"benchmarks.models", "benchmarks.checks"},
    "report": {
        *("adapters", "benchmarks.errors", "benchmarks.files", "benchmarks.stats", "benchmarks.plan"),
        *("benchmarks.worker.lockstep.bounds", "benchmarks.worker.validate", "benchmarks.machine.imports"),
        *("benchmarks.machine.environments", "benchmarks.machine.git"),
        *("benchmarks.machine.noise", "benchmarks.record", "benchmarks.launch.roofline"),
        *("benchmarks.models.checkpoint", "benchmarks.checks"),
        *("benchmarks.cli.declared", "benchmarks.cli.terminal", "benchmarks.cli.micro", "benchmarks.cli.answer"),
        *("benchmarks.cli.tables", "benchmarks.cli.options", "benchmarks.cli.program"),
    },
}
DASK = {"dask", "dask_jobqueue", "distributed"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("adapters", "benchmarks", "report")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imported(path: Path, within_functions: bool = True) -> set[str]:
    """Return the dotted names of all modules that a file imports; of `from a import b` it is a.b where that is one."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if within_functions else tree.body:
        match node:
            case ast.Import(names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {f"{module}.{a.name}" if f"{module}.{a.name}" in MODULES else module for a in names}
    return found


def package_of(module: str) -> str:
    """Return the package of the table that a module of ours belongs to."""
    parts = module.split(".")
    return next(name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in {*FLOOR, "benchmarks"})


def may(own: str, other: str) -> bool:
    """Return whether a module of the package `own` may import the module `other`."""
    target = package_of(other)
    if target == own:
        return True
    if own in ONLY:
        return any(other == name or other.startswith(f"{name}.") for name in ONLY[own])
    return FLOOR[target] < FLOOR[own]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "benchmarks"])
def test_imports_point_down(module):
    ours = {name for name in imported(MODULES[module]) if name.split(".")[0] in ("adapters", "benchmarks", "report")}
    assert not {name for name in ours if not may(package_of(module), name)}


def test_every_package_is_in_the_table_and_the_table_names_none_that_is_gone():
    assert {package_of(name) for name in MODULES} == {*FLOOR, "benchmarks"}
    assert {name for names in ONLY.values() for name in names} <= {*MODULES, *FLOOR}


def test_only_the_report_imports_pandas():
    assert {name.split(".")[0] for name in MODULES if "pandas" in imported(MODULES[name])} == {"report"}


def test_only_its_package_loads_dask():
    """Others import it within functions, where it is asked for: Dask is in one environment only."""
    for module in [name for name in MODULES if package_of(name) != "benchmarks.sweep.dask"]:
        loaded = imported(MODULES[module], within_functions=False)
        assert not {
            name for name in loaded if name.split(".")[0] in DASK or name.startswith("benchmarks.sweep.dask")
        }, module
