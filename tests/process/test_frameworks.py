from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from adapters.registry import FRAMEWORKS, Framework, SystemPackage, distributions
from benchmarks.cli.micro import Micro, micro_benchmarks
from benchmarks.cli.models import draw
from benchmarks.errors import EnvironmentMissing
from benchmarks.launch import ceilings
from benchmarks.launch import probe as probe_module
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.probe import Probe, _other_versions, probe
from benchmarks.machine import environments, hardware
from benchmarks.models import demo
from benchmarks.plan.cells import Cell
from benchmarks.record.schema import valid
from benchmarks.sweep.block import _environment_facts


@pytest.mark.parametrize(
    ("found", "pinned", "wrong"),
    [
        ({"torch": "2.13.0+cpu"}, {"torch": "2.13.0+cpu"}, ""),
        ({"torch": "2.13.0+cu128"}, {"torch": "2.13.0"}, ""),
        ({"torch": "2.13.0"}, {"torch": "2.13.0+cpu"}, "torch 2.13.0 in place of 2.13.0+cpu"),
        ({"paddle": "3.3.0", "python": "3.11.7"}, {"paddlepaddle": "3.3.1"}, "paddle 3.3.0 in place of 3.3.1"),
        ({"tensorflow": "2.21.0", "numpy": "2.4.5"}, {"tensorflow-cpu": "2.21.0", "numpy": "2.4.6"}, "numpy 2.4.5 in"),
        ({"fake": "1"}, {}, ""),
    ],
)
def test_versions_are_held_to_the_lock(found, pinned, wrong):
    assert _other_versions(found, pinned).startswith(wrong)
    assert bool(_other_versions(found, pinned)) is bool(wrong)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_lock_pins_its_framework(framework):
    pinned = environments.pinned(framework, "cpu")
    assert any(name in pinned for name in distributions(framework))
    assert "numpy" in pinned


@pytest.mark.fault(6)
def test_a_probe_that_hangs_ends(monkeypatch, tmp_path):
    """A probe has a deadline of its own; a hang in it is a broken environment."""
    monkeypatch.setattr(probe_module, "PROBE_TIMEOUT_S", 1.0)
    monkeypatch.setattr("benchmarks.launch.process.GRACE_S", 0.3)
    monkeypatch.setitem(FRAMEWORKS, "slow", Framework("tests.process.faults.fake:HangProbe"))
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path(sys.executable))
    begin = time.monotonic()
    found = probe("slow", "cpu")
    assert time.monotonic() - begin < 20
    assert found.missing
    assert "not finished after 1 s" in found.problem
    assert "tox run --recreate --notest -e slow-cpu" in found.problem


def test_a_probe_that_says_nothing_of_a_combination_supports_it_not(monkeypatch):
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path("python"))
    answer = {"versions": {}, "devices": {"cpu": "x"}, "unsupported": {"eager float32 preloaded": None}}
    monkeypatch.setattr(probe_module, "launch", lambda *arguments, **named: Outcome("ok", "", answer, ""))
    found = probe("numpy", "cpu")
    assert found.unsupported("eager", "float32", "preloaded") is None
    assert "does not know" in found.unsupported("eager", "float32", "host")


CLANG = SystemPackage("clang", "clang-of-a-test")


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """Let numpy need a compiler; return a function that installs a version of it."""
    record = replace(FRAMEWORKS["numpy"], system_packages=(CLANG,))
    monkeypatch.setitem(FRAMEWORKS, "numpy", record)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    forget = [environments.system_versions.cache_clear, environments.lock_hash.cache_clear]

    def install(version):
        (tmp_path / CLANG.program).write_text(f"#!/bin/sh\necho clang version {version}\necho Target: here\n")
        (tmp_path / CLANG.program).chmod(0o755)
        [clear() for clear in forget]

    yield install
    [clear() for clear in forget]


def test_a_package_of_the_system_that_is_missing_is_one_line_with_what_to_type(compiled):
    found = probe("numpy", "cpu")
    assert (found.problem, found.missing) == ("numpy needs clang; type: apt-get install clang", True)
    assert "numpy" not in ceilings.available_frameworks("cpu")  # what needs every framework goes on without it
    compiled(1)
    assert environments.missing_packages("numpy") == ""
    assert "numpy" in ceilings.available_frameworks("cpu")


def test_single_calls_and_the_demo_ask_for_packages_before_they_start(compiled, monkeypatch, capsys):
    line = "numpy needs clang; type: apt-get install clang"
    monkeypatch.setattr(demo, "network", lambda *arguments: pytest.fail("it trains, or reads weights"))
    for start in (lambda: micro_benchmarks(["numpy"]), lambda: draw(framework=["numpy"])):
        with pytest.raises(EnvironmentMissing, match=f"^{line}$"):
            start()
    ran = []
    monkeypatch.setattr(Micro, "run", lambda asked: ran.append(asked.framework))
    with pytest.raises(typer.Exit) as ended:  # the others are timed
        micro_benchmarks(["numpy,torch"])
    assert (ended.value.exit_code, ran) == (1, ["torch"])
    assert line in capsys.readouterr().err


def test_the_version_of_a_package_of_the_system_decides_whether_proofs_and_rows_hold(compiled):
    before = environments.lock_hash("torch", "cpu")
    compiled(1)
    first = environments.lock_hash("numpy", "cpu")
    compiled(2)
    assert environments.lock_hash("numpy", "cpu") != first
    assert environments.lock_hash("torch", "cpu") == before
    facts = _environment_facts(Probe("numpy", "cpu", facts={"versions": {"numpy": "2"}}))
    assert facts["system_packages"] == {"clang": "clang version 2"}
    run = {"sweep": "20260101T000000-abcdef", "frameworks": {"numpy-cpu": facts}}
    assert valid("run", run)["frameworks"] == {"numpy-cpu": facts}


def test_a_program_that_says_no_version_is_unknown(compiled, tmp_path):
    compiled(1)
    (tmp_path / CLANG.program).write_text("#!/bin/sh\nexit 1\n")
    assert environments.system_versions("numpy") == {"clang": "unknown"}


NO_MODULE = "ModuleNotFoundError: No module named 'torch'"
AT = ", at adapters/torch/__init__.py:13 (<module>)"
NO_LIBRARY = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("outcome", "said", "remedy"),
    [
        (Outcome("failed", NO_MODULE, {}, ""), NO_MODULE, True),
        (Outcome("failed", NO_MODULE + AT, {}, ""), NO_MODULE, True),
        (Outcome("failed", "ImportError: torch is not built for this machine" + AT, {}, ""), AT, True),
        (Outcome("failed", "ImportError: cannot import name '_C' from 'torch'", {}, ""), "'_C'", True),  # within torch
        (Outcome("failed", NO_MODULE.replace("torch", "trch") + AT, {}, ""), f"'trch'{AT}", False),
        (Outcome("failed", f"ImportError: cannot import name 'x' from 'torch' ({'y' * 300}){AT}", {}, ""), AT, False),
        (Outcome("failed", f"NameError: name 'tor' is not defined{AT}", {}, ""), AT, False),
        (Outcome("failed", "worker exited with 1: it printed nothing", None, ""), "exited with 1", True),
        (Outcome("timeout", "not finished after 120 s", None, ""), "not finished", True),
        (Outcome("failed", NO_LIBRARY, {}, ""), NO_LIBRARY, False),
        (Outcome("crashed", "ended by SIGILL; it printed nothing", None, ""), "ended by SIGILL", False),
        (Outcome("invalid", "the worker's answer cannot be read", None, ""), "cannot be read", False),
        (Outcome("failed", "CompileError: long story\n\nclang: no\n", {}, ""), "fails: CompileError: clang: no", False),
        (Outcome("failed", "ValueError: " + "x" * 500, {}, ""), "xx…", False),
    ],
)
def test_a_probe_that_fails_says_why_and_how_to_mend_it_where_that_would_help(monkeypatch, outcome, said, remedy):
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path("python"))
    monkeypatch.setattr(probe_module, "launch", lambda *arguments, **named: outcome)
    found = probe("torch", "cpu")
    assert found.missing
    assert said in found.problem
    assert found.problem.isprintable()
    assert len(found.problem) < 400
    assert ("tox run --recreate --notest -e torch-cpu" in found.problem) == remedy


@pytest.fixture
def single(monkeypatch):
    """Let jax compute with one thread at most."""
    monkeypatch.setitem(FRAMEWORKS, "jax", replace(FRAMEWORKS["jax"], max_threads=1))
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path("python"))
    monkeypatch.setattr(hardware, "most_threads", lambda: 8)


def test_a_framework_of_one_thread_is_compared_with_one_and_refuses_two(single):
    assert environments.common_threads(["torch", "numpy"]) == 8
    assert environments.common_threads(["torch", "jax"]) == 1
    found = Probe("jax", "cpu", facts={"unsupported": {"eager float32 preloaded": None}})
    cell = Cell("jax", "mlp", "mnist", "cpu", 100, "eager", "float32", 1)
    assert found.refusal(cell) is None
    two = replace(cell, threads=2)
    assert found.refusal(two) == "jax computes with no more than 1 thread; compare all with --threads 1"
    assert "jax" in ceilings.available_frameworks("cpu", 1)
    assert "jax" not in ceilings.available_frameworks("cpu", 2)
