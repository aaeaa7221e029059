"""A framework is a folder, a record, a requirements file and a name in tox.ini; what is missing is named here."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

import pytest

from adapters.registry import (
    FRAMEWORKS,
    OTHER,
    WRAPPERS,
    default_frameworks,
    distributions,
    environment_of,
    framework_of,
    is_arm,
    record,
)

ROOT = Path(__file__).resolve().parents[3]
SECTION = re.compile(r"testenv:\{(.*)\}-\{cpu,gpu\}")


def tox_ini():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    return parser


def missing(path, line):
    """Say what somebody who adds a framework has left out."""
    there = f"{path} has no such line: {line}" if (ROOT / path).exists() else f"{path} is missing; its lines: {line}"
    return f"{there} (or adapters/registry.py has no such record)"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_record_has_its_folder(framework):
    folder = ROOT / "adapters" / framework
    for name in ("__init__.py", "native.py"):
        assert (folder / name).is_file(), f"adapters/{framework}/{name} is missing: CONTRIBUTING.md says what it holds"
    assert FRAMEWORKS[framework].adapter.startswith(f"adapters.{framework}:")


def test_a_folder_has_its_record():
    folders = {path.parent.name for path in (ROOT / "adapters").glob("*/__init__.py")} - {"networks", "wrappers"}
    for name in sorted(folders):
        assert name in FRAMEWORKS, missing("adapters/registry.py", f'"{name}": Framework("adapters.{name}:Class", ...)')


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_record_says_how_it_is_drawn(framework):
    assert FRAMEWORKS[framework].look != OTHER, missing("adapters/registry.py", f"a Look for {framework}")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_record_s_patterns_can_be_read(framework):
    for pattern in FRAMEWORKS[framework].out_of_memory:
        re.compile(pattern)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_record_has_its_requirements(framework):
    for device in FRAMEWORKS[framework].devices:
        path = f"requirements/{framework}-{device}.in"
        assert (ROOT / path).is_file(), missing(path, distributions(framework)[0])
        lock = ROOT / f"requirements/{framework}-{device}.txt"
        assert lock.is_file(), f"{lock.relative_to(ROOT)} is missing; make it: tox -e lock"


def test_tox_knows_every_framework():
    [section] = [found for name in tox_ini().sections() if (found := SECTION.fullmatch(name))]
    names = section[1].split(",")
    line = f"[testenv:{{{','.join(FRAMEWORKS)}}}-{{cpu,gpu}}]"
    assert sorted(names) == sorted(FRAMEWORKS), missing("tox.ini", line)


def test_tox_installs_what_there_is_a_build_for_on_a_gpu():
    [section] = [tox_ini()[name] for name in tox_ini().sections() if SECTION.fullmatch(name)]
    [found] = re.findall(r"^\{(.*)\}-gpu:", section["deps"], re.MULTILINE)
    wanted = [name for name, framework in FRAMEWORKS.items() if "gpu" in framework.devices]
    assert sorted(found.split(",")) == sorted(wanted), missing("tox.ini", f"{{{','.join(wanted)}}}-gpu: -r ...")


def test_tox_makes_what_a_sweep_measures_by_default():
    line = tox_ini()["harness"]["default"].removeprefix("-e ")
    wanted = [f"{name}-cpu" for name in default_frameworks()]
    assert sorted(line.split(",")) == sorted(wanted), missing("tox.ini", f"default = -e {','.join(wanted)}")


# A wider bound is the gate's to grant, with its reason; no adapter widens its own.
NAMED = {("benchmarks/worker/lockstep/bounds.py", "mxnet")}


def test_nothing_else_names_a_framework():
    """numpy is the reference, too, and is named as such."""
    found = set()
    for path in (path for folder in ("adapters", "benchmarks", "report") for path in (ROOT / folder).rglob("*.py")):
        inside = path.relative_to(ROOT)
        if inside.parts[1] not in (*FRAMEWORKS, "registry.py", "wrappers"):
            words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            found |= {(str(inside), name) for name in words & (FRAMEWORKS.keys() - {"numpy"})}
    assert found == NAMED


@pytest.mark.parametrize("arm", WRAPPERS)
def test_a_wrapper_is_an_arm_of_a_framework_with_a_lock_of_its_own_where_it_needs_more(arm):
    framework = framework_of(arm)
    module = WRAPPERS[arm].adapter.partition(":")[0]
    assert framework in FRAMEWORKS
    assert is_arm(arm)
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    assert record(arm).adapter == WRAPPERS[arm].adapter
    assert record(arm).out_of_memory == FRAMEWORKS[framework].out_of_memory
    assert environment_of(arm) == (arm if WRAPPERS[arm].packages else framework)
    lock = ROOT / f"requirements/arms/{arm}-cpu.txt"
    assert lock.is_file() == bool(WRAPPERS[arm].packages), f"make it, or delete it: tox -e arms -- {arm}"
    own = (ROOT / f"requirements/{framework}-cpu.txt").read_text()
    for package in WRAPPERS[arm].packages:
        assert f"\n{package} " in lock.read_text(), f"the lock has another version; tox -e arms -- {arm}"
    if WRAPPERS[arm].packages:  # the same release of the framework as beside it
        [pin] = re.findall(rf"^{distributions(framework)[0]}==[^ ]+", own, re.MULTILINE)
        assert pin in lock.read_text(), f"the framework's pin has moved: tox -e arms -- {arm} --relock"


def test_other_arms_have_an_environment_of_their_own():
    for arm in ("jax", "jax@0.7.2", "numpy@keras-fit"):
        assert environment_of(arm) == arm
    assert record("jax@0.7.2") == FRAMEWORKS["jax"]
