"""What is kept between runs, and files that a crash left of it."""

from __future__ import annotations

import pytest

from benchmarks import kept

DECISIVE = {"code": "abc", "steps": 200}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))


def test_what_was_written_is_read_for_exactly_the_same():
    assert kept.read("proofs", DECISIVE) is None
    kept.write("proofs", DECISIVE, {"lockstep": "pass"})
    assert kept.read("proofs", DECISIVE) == {"lockstep": "pass"}
    for other in ({**DECISIVE, "steps": 100}, {"code": "abc"}):
        assert kept.read("proofs", other) is None
    assert kept.read("peaks", DECISIVE) is None


@pytest.mark.parametrize("content", [b"", b'{"lockstep": "pa', b"[1]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_damaged_file_keeps_nothing_and_is_written_anew(content):
    kept.write("proofs", DECISIVE, {})
    kept.place("proofs", DECISIVE).write_bytes(content)
    assert kept.read("proofs", DECISIVE) is None
    kept.write("proofs", DECISIVE, {"lockstep": "pass"})
    assert kept.read("proofs", DECISIVE) == {"lockstep": "pass"}
