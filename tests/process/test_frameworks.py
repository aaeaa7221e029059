from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from adapters.registry import FRAMEWORKS, Framework, distributions
from benchmarks.launch import probe as probe_module
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.probe import _other_versions, probe
from benchmarks.machine import environments


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
