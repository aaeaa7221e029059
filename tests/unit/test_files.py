"""What is kept between runs, and files that a crash left of it."""

from __future__ import annotations

import pytest

from benchmarks import files

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
