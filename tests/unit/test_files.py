"""What is kept between runs, and files that a crash left of it."""

from __future__ import annotations

import errno
import os
import tempfile
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
    with pytest.raises(files.NoCache, match="no cache folder: HOME is not set and this user"):
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


def test_a_temporary_folder_is_removed_and_so_is_one_that_a_killed_process_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, others, link = tmp_path / "lockstep-left", tmp_path / "lockstep-another", tmp_path / "lockstep-link"
    for folder in (left, others):
        folder.mkdir()
        (folder / "weights.npz").write_bytes(b"1")
    (left / files.ALIVE).touch()  # no process holds its lock; the other has no such file
    link.symlink_to(left)
    with files.scratch() as first, files.scratch() as second:
        assert sorted(tmp_path.iterdir()) == sorted([first, second, others, link])
        (first / "x").touch()
    assert sorted(tmp_path.iterdir()) == sorted([others, link])


def test_a_temporary_folder_that_is_full_or_nowhere_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(files.NoScratch, match="No space left on device; make room, or set TMPDIR"), files.scratch():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), files.scratch():
        raise FileNotFoundError
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(files.NoScratch, match="cannot make a temporary folder: No such file"), files.scratch():
        pass
