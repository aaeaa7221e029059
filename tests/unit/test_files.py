"""What is kept between runs, and files that a crash left of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import files
from benchmarks.checks import doctor
from report.results.load import load

DECISIVE = {"code": "abc", "steps": 200}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))


def test_what_was_written_is_read_for_exactly_the_same():
    assert files.read_cached("proofs", DECISIVE) is None
    files.write_cached("proofs", DECISIVE, {"lockstep": "pass"})
    assert files.read_cached("proofs", DECISIVE) == {"lockstep": "pass"}
    for other in ({**DECISIVE, "steps": 100}, {"code": "abc"}):
        assert files.read_cached("proofs", other) is None
    assert files.read_cached("peaks", DECISIVE) is None


@pytest.mark.parametrize("content", [b"", b'{"lockstep": "pa', b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_damaged_file_keeps_nothing_and_is_written_anew(content):
    files.write_cached("proofs", DECISIVE, {})
    files._cached_path("proofs", DECISIVE).write_bytes(content)
    assert files.read_cached("proofs", DECISIVE) is None
    files.write_cached("proofs", DECISIVE, {"lockstep": "pass"})
    assert files.read_cached("proofs", DECISIVE) == {"lockstep": "pass"}


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME, without an entry in the passwd file, who names no cache: a container with --user 54321."""

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CACHE_HOME", "LOCKSTEP_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)


def test_without_a_home_it_says_what_to_set(homeless):
    with pytest.raises(files.NoCache, match="no cache folder: HOME is not set and .*; set LOCKSTEP_CACHE to a folder"):
        files.default_cache()


def test_results_are_read_without_a_cache(homeless, healthy, write):
    folder = write(healthy)
    os.utime(folder / "a.jsonl", (0, 0))
    assert len(load(folder)) == 8


def test_check_says_so_and_goes_on(homeless, tmp_path):
    found = {finding.what: finding for finding in doctor.disk_findings(tmp_path)}
    assert found["cache"].level == "error"
    assert found["cache"].advice == "set LOCKSTEP_CACHE to a folder you can write"
    assert found["results folder"].level in ("ok", "warning")
    assert all(finding.what != "cache" for finding in doctor.data_findings())
