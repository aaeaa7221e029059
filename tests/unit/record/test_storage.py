from __future__ import annotations

import json

import pytest

from benchmarks.errors import StorageError, UsageError
from benchmarks.record.schema import SCHEMA_VERSION
from benchmarks.record.store import KINDS, append
from tests.kept import read_all, read_file
from tests.unit.known_lines import RECORDS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.jsonl"


def write(path, row, count=3):
    append(path, "run", {"sweep": row["sweep"]})
    for number in range(count):
        append(path, "row", {**row, "round": number})


def test_rows_come_back(path, row):
    write(path, row)
    sweep = read_file(path)
    assert sweep.run["sweep"] == row["sweep"]
    assert [found["round"] for found in sweep.rows] == [0, 1, 2]
    assert sweep.problems == []


@pytest.mark.fault(1)
def test_a_torn_last_line_is_ignored_and_left_alone(path, row):
    write(path, row)
    with path.open("ab") as file:
        file.write(b'{"kind": "row", "sch')
    before = path.read_bytes()
    assert len(read_file(path).rows) == 3
    assert read_file(path).problems == []
    assert path.read_bytes() == before


def test_a_line_after_a_torn_one_begins_anew(path, row):
    write(path, row)
    with path.open("ab") as file:
        file.write(b'{"kind": "row", "sch')
    before = path.read_bytes()
    append(path, "row", {**row, "round": 3}, {**row, "round": 4})
    found = read_file(path)
    assert [one["round"] for one in found.rows] == [0, 1, 2, 3, 4]
    assert [problem.partition(":")[0] for problem in found.problems] == ["sweep.jsonl, line 5"]
    assert path.read_bytes().startswith(before)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"batch_size": 100', b'"batch_size": 999'),
        lambda line: line[:-10],
        lambda line: b"[" * 100_000,
        lambda line: b"\xff\xfe",
        lambda line: line.replace(b'"seed": 0', b'"seed": NaN'),
        lambda line: line.replace(b'{"kind"', b'{"kind": 1, "kind"'),
        lambda line: b'"just text"',
        lambda line: b" " * (2 << 20),
    ],
)
def test_a_damaged_middle_line_is_reported_with_its_number(path, row, damage):
    write(path, row)
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage(lines[2])
    path.write_bytes(b"\n".join(lines))
    sweep = read_file(path)
    assert [found["round"] for found in sweep.rows] == [0, 2]
    assert len(sweep.problems) == 1
    assert "line 3" in sweep.problems[0]


@pytest.mark.fault(28)
@pytest.mark.parametrize("version", [3, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, None, True, "5"])
def test_lines_of_another_schema_are_one_problem_whatever_their_checksum(path, row, version):
    lines = [json.dumps({"kind": "row", **row, "schema_version": version, "checksum": n}) for n in range(3)]
    path.write_text("\n".join([*lines, "{", *lines, ""]))
    first, _, again = read_file(path).problems
    assert first.startswith(f"{path.name}, line 1: schema version {version!r}, this program reads {SCHEMA_VERSION}; ")
    assert again == first.replace("line 1", "line 5")


def test_every_kind_of_line_comes_back(path, row):
    assert set(KINDS) == {"row", *RECORDS}
    for kind in KINDS:
        append(path, kind, row if kind == "row" else RECORDS[kind])
    append(path, "riddle", {})
    found = read_file(path)
    assert len(found.rows) == 1
    lists = ([found.run], [found.end], found.stops, found.proofs, found.datasets, found.networks, found.images)
    names = ("run", "end", "stop", "proof", "dataset", "network", "image")
    for kind, [record] in zip(names, lists, strict=True):
        assert record.items() >= RECORDS[kind].items()
    assert len(found.problems) == 1
    assert "line 9: unknown kind 'riddle'" in found.problems[0]


def test_where_the_time_went_stands_at_the_end(tmp_path):
    append(tmp_path / "a.jsonl", "end", {"wall_s": {"timed chunks": 5.0}})
    assert read_file(tmp_path / "a.jsonl").end["wall_s"] == {"timed chunks": 5.0}


def test_where_nothing_can_be_written_one_line_says_so(tmp_path, row):
    with pytest.raises(StorageError, match="cannot write"):
        append(tmp_path / "absent" / "sweep.jsonl", "row", row)
    with pytest.raises(UsageError, match="tox -e bench"):
        list(read_all(tmp_path / "absent"))
