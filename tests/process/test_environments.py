"""Interpreters in place of tox's environments, as they are typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.machine import environments


@pytest.fixture(autouse=True)
def forgotten():
    environments.lock_hash.cache_clear()
    yield
    environments.OVERRIDES.clear()
    environments.lock_hash.cache_clear()


def test_a_given_interpreter_serves_every_device_and_is_held_to_no_lock():
    environments.override_interpreters([f"torch={sys.executable}"])
    for device in ("cpu", "gpu", "gpu:1"):
        assert environments.interpreter("torch", device) == Path(sys.executable)
        assert environments.pinned("torch", device) == {}
    assert environments.pinned("jax", "cpu")["jax"]
    assert "--python torch=PATH" in environments.recreate_hint("torch", "gpu")


def test_what_it_has_decides_in_place_of_a_lock(monkeypatch):
    locked = environments.lock_hash("torch", "cpu")
    environments.override_interpreters([f"torch={sys.executable}"])
    environments.lock_hash.cache_clear()
    given = environments.lock_hash("torch", "cpu")
    assert given != locked
    monkeypatch.setattr(environments, "_distributions", lambda python: b"[('torch', '99')]")
    environments.lock_hash.cache_clear()
    assert environments.lock_hash("torch", "cpu") != given


@pytest.mark.parametrize("typed", ["torch", "torch=", "torhc=/bin/sh", "torch=/absent", "torch=/tmp"])
def test_what_is_no_interpreter_is_one_line(typed):
    with pytest.raises(UsageError, match="--python"):
        environments.override_interpreters([typed])
    assert not environments.OVERRIDES


def test_a_program_that_is_no_python_is_one_line():
    environments.override_interpreters(["torch=/bin/false"])
    with pytest.raises(UsageError, match="does not say what packages it has"):
        environments.lock_hash("torch", "cpu")


def test_a_missing_lock_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    with pytest.raises(UsageError, match=r"requirements/torch-cpu\.txt is missing; restore it"):
        environments.lock_hash("torch", "cpu")
