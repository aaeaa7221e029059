from __future__ import annotations

import re

import pytest

from benchmarks.errors import UsageError
from benchmarks.machine.memory import Group, MemoryLimit, MemoryWatch, size_bytes


@pytest.mark.parametrize(
    ("text", "expected"), [("500M", 500 << 20), ("4G", 4 << 30), ("1T", 1 << 40), ("65536K", 64 << 20)]
)
def test_sizes(text, expected):
    assert size_bytes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "500", "4g", "4GB", "-4G", "0G", "1.5G", " 4G", "4G\n", "1M", "8388608T", "٤G", "999999999999T"]
)
def test_anything_else_is_one_line(text):
    with pytest.raises(UsageError, match=re.escape(f"--memory-limit {text!r}: expected")) as caught:
        size_bytes(text)
    assert "\n" not in str(caught.value)


def test_evidence_is_a_count_that_rose(tmp_path):
    (tmp_path / "memory.events").write_text("oom_kill 2\n")
    watch = MemoryWatch("", Group(tmp_path, 2), "")
    assert watch.killed() == ""
    (tmp_path / "memory.events").write_text("oom_kill 3\n")
    assert "oom_kill of the control group v2: 2 to 3" in watch.killed()
    (tmp_path / "memory.events").unlink()
    assert watch.killed() == ""
    assert MemoryWatch("", None, "").killed() == ""


def test_the_run_s_record_says_by_what_means():
    assert MemoryLimit().about() == {"bytes": None, "means": None}
    assert MemoryLimit(1 << 30).about() == {"bytes": 1 << 30, "means": "RLIMIT_DATA"}
    with MemoryLimit(1 << 30).watch() as watch:
        assert watch.argument == f"rlimit:{1 << 30}"
