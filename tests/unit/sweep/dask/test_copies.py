from __future__ import annotations

import pytest

from benchmarks.errors import SchemaError, StorageError
from benchmarks.record import store
from benchmarks.sweep.dask.copies import Copy, lines_from, some_lines, whole_lines


@pytest.fixture
def lines(row):
    """Five lines of a member's file."""
    return [store._line("row", {**row, "round": number}).decode() for number in range(5)]


def rounds(said):
    return [record["round"] for kind, record in said if kind == "row"]


def test_lines_come_in_order_once_whatever_arrives_twice(tmp_path, lines):
    copy = Copy(tmp_path / "a.jsonl")
    assert rounds(copy.take(0, lines[:2])) == [0, 1]
    assert rounds(copy.take(1, lines[1:4])) == [2, 3]
    assert copy.take(0, lines[:2]) == []
    assert (tmp_path / "a.jsonl").read_text() == "".join(lines[:4])


def test_a_gap_is_told_and_nothing_written(tmp_path, lines):
    copy = Copy(tmp_path / "a.jsonl")
    assert copy.take(1, lines[1:2]) is None
    assert not copy.path.exists()


@pytest.mark.parametrize("spoil", [str.lower, str.strip, lambda line: line * 2, lambda line: line.replace("0", "1", 1)])
def test_what_is_no_line_is_refused_with_all_that_came_with_it(tmp_path, lines, spoil):
    copy = Copy(tmp_path / "a.jsonl")
    with pytest.raises(SchemaError):
        copy.take(0, [lines[0], spoil(lines[1])])
    assert copy.lines == 0
    assert not copy.path.exists()


@pytest.mark.fault(51)
def test_a_file_that_somebody_else_made_is_not_taken_over(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    path.write_text(lines[4])
    copy = Copy(path)
    with pytest.raises(StorageError, match="another sweep's"):
        copy.take(0, lines[:2])
    assert (copy.lines, copy.begun, path.read_text()) == (0, False, lines[4])


def test_a_copy_goes_on_where_a_crash_left_it(tmp_path, lines):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(lines[:2]) + lines[2][:40])
    copy = Copy.existing(path)
    assert copy.lines == 2
    assert rounds(copy.take(1, lines[1:])) == [2, 3, 4]
    assert path.read_text() == "".join(lines)


def test_a_member_tells_whole_lines_alone_and_those_that_are_asked_for(tmp_path, lines, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text(lines[0] + lines[1][:10])
    found, offset = lines_from(path, 0)
    assert found == lines[:1]
    path.write_text("".join(lines))
    assert lines_from(path, offset)[0] == lines[1:]
    assert whole_lines(path) == 5
    assert some_lines(path, 3) == lines[3:]
    assert some_lines(path, 5) == []
    monkeypatch.setattr("benchmarks.sweep.dask.copies.SOME_BYTES", 1)
    assert some_lines(path, 2) == lines[2:3]


def test_lines_that_came_together_wait_for_the_disk_once(tmp_path, lines, monkeypatch):
    copy, waits = Copy(tmp_path / "a.jsonl"), []
    copy.settle()
    assert not copy.path.exists()
    copy.take(0, lines[:1])  # the new file's name is put on the disk, too
    monkeypatch.setattr("os.fsync", waits.append)
    copy.take(1, lines[1:2])
    copy.take(2, lines[2:4])
    assert (copy.lines, copy.settled, len(waits)) == (4, 0, 0)
    copy.settle()
    copy.settle()
    assert (copy.lines, copy.settled, len(waits)) == (4, 4, 1)


def test_what_the_disk_did_not_take_is_not_settled(tmp_path, lines, monkeypatch):
    copy = Copy(tmp_path / "a.jsonl")
    copy.take(0, lines[:2])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        copy.settle()
    assert (copy.lines, copy.settled) == (2, 0)
