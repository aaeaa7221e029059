"""What a worker can do to itself: each ends in a row that says so, and the sweep goes on."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("fake", "status", "words"),
    [
        pytest.param("segfault", "crashed", "SIGSEGV", marks=pytest.mark.fault(5)),
        pytest.param("killed", "crashed", "SIGKILL", marks=pytest.mark.fault(2)),
        pytest.param("flood", "ok", "", marks=pytest.mark.fault(8)),
    ],
)
def test_one_cell_ends_and_the_others_go_on(sweep, fake, status, words):
    code, said, rows = sweep("--framework", f"fake-{fake},fake-fake")
    assert code == (0 if status == "ok" else 1), said
    found = {row["framework"]: row for row in rows}
    assert found["fake-fake"]["status"] == "ok"
    assert found[f"fake-{fake}"]["status"] == status
    assert words in (found[f"fake-{fake}"]["reason"] or "")
