"""Interpreters in place of tox's environments, as they are typed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.errors import EnvironmentMissing, UsageError
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


def test_arms_have_interpreters_of_their_own_and_no_name_twice():
    environments.override_interpreters([f"jax={sys.executable}", f"jax@old={sys.executable}"])
    assert set(environments.OVERRIDES) == {"jax", "jax@old"}
    with pytest.raises(UsageError, match=f"names jax twice, {sys.executable} and /bin/sh; .*jax@other=/bin/sh"):
        environments.override_interpreters([f"jax={sys.executable}", "jax=/bin/sh"])


def test_an_arm_that_nobody_made_has_a_line_and_a_hash():
    with pytest.raises(
        EnvironmentMissing, match=r"no environment \.tox/releases/jax@0\.0\.1-cpu; .*: tox -e arms -- jax@0\.0\.1$"
    ):
        environments.interpreter("jax@0.0.1", "cpu")
    with pytest.raises(EnvironmentMissing, match=r"tox -e arms -- jax@0\.0\.1 --device gpu$"):
        environments.interpreter("jax@0.0.1", "gpu")
    assert environments.lock_hash("jax@0.0.1", "cpu") != environments.lock_hash("jax@0.0.2", "cpu")


def test_a_wrapper_that_needs_no_packages_has_its_framework_s_environment():
    assert environments.interpreter("mxnet@trainer", "cpu") == environments.interpreter("mxnet", "cpu")
    assert environments.lock_hash("mxnet@trainer", "cpu") == environments.lock_hash("mxnet", "cpu")
    assert environments.make_hint("mxnet@trainer", "cpu") == "tox run --notest -e mxnet-cpu"
    assert environments.make_hint("torch@lightning", "cpu") == "tox -e arms -- torch@lightning"


def test_an_arm_whose_lock_is_lost_is_not_measured_and_the_others_are(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    (program := tmp_path / ".tox/releases/jax@0.7.2-cpu/bin/python").parent.mkdir(parents=True)
    program.touch()
    with pytest.raises(EnvironmentMissing, match=r"no requirements/arms/jax@0\.7\.2-cpu\.txt; .*tox -e arms -- jax@0"):
        environments.interpreter("jax@0.7.2", "cpu")
    assert environments.lock_hash("jax@0.7.2", "cpu")


@pytest.mark.parametrize("typed", ["torch", "torch=", "torhc=/bin/sh", "torch=/absent", "torch=/tmp", "torch@=/bin/sh"])
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


def test_tox_empties_no_arm():
    """An environment of tox that has the name of the folder they lie in would take them with it."""
    tox = (environments.ROOT / "tox.ini").read_text()
    assert f"[testenv:{environments._folder('jax@0.7.2', 'cpu').parent.name}" not in tox
