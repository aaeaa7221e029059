from __future__ import annotations

import shutil
from collections import namedtuple

import pytest

from benchmarks.checks import doctor

Usage = namedtuple("Usage", "free")


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above(tmp_path):
    finding = doctor._place("results folder", tmp_path / "a" / "b", "")
    assert finding.level == "ok"
    assert "will be made" in finding.found
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    finding = doctor._place("results folder", tmp_path / "file" / "below", "pass another --results")
    assert (finding.level, finding.advice) == ("error", "pass another --results")


@pytest.mark.parametrize(("free", "level"), [(1 << 40, "ok"), (500 << 20, "warning"), (1 << 20, "error")])
def test_little_room_is_said(tmp_path, monkeypatch, free, level):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    assert doctor._place("cache", tmp_path, "").level == level
