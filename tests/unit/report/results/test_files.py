from __future__ import annotations

import json
import os

import pytest

from benchmarks.record.schema import SCHEMA_VERSION
from benchmarks.record.store import _checksum, append
from report.results import rules
from tests.unit.conftest import SWEEP


def findings(folder):
    return list(rules.file_findings(folder, rules.read_all(folder, ["sweep"])))


def found(folder):
    return [f for f in findings(folder) if f.level != "ok"]


def only(folder):
    [finding] = found(folder)
    return finding.level, finding.what, finding.found


def test_a_healthy_folder_is_counted(healthy, write):
    [finding] = findings(write(healthy))
    assert (finding.level, finding.found) == ("ok", "1 file, 10 whole lines, 8 valid rows")


def test_a_torn_last_line_is_no_loss(healthy, write):
    folder = write(healthy)
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b'{"kind": "row", "sch')
    assert only(folder) == ("warning", "a.jsonl", "what follows line 10 was torn off by a crash and is ignored")


def test_a_damaged_line_is_named_by_file_and_number(healthy, write):
    path = write(healthy) / "a.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"round": 1', b'"round": 2', 1))
    assert only(path.parent) == ("error", "a.jsonl, line 4", "checksum does not match")


@pytest.mark.fault(28)
def test_a_newer_schema_is_an_error_that_says_what_reads_it(healthy, write, row):
    body = json.dumps({"kind": "row", **row, "schema_version": 99})[:-1]
    folder = write(healthy)
    with (folder / "a.jsonl").open("a") as file:
        file.write(f'{body}, "checksum": "{_checksum(body.encode())}"}}\n')
    [finding] = found(folder)
    assert (finding.level, finding.what) == ("error", "a.jsonl, line 11")
    assert finding.found == f"schema version 99, this program reads {SCHEMA_VERSION}"
    assert "the version of Lockstep that wrote it" in finding.advice


def test_a_file_that_is_no_sweep_is_called_so(healthy, write):
    folder = write(healthy)
    (folder / "b.jsonl").write_text('{"some": "other program\'s"}\n')
    assert [(f.level, f.what) for f in found(folder)] == [("error", "b.jsonl, line 1"), ("error", "b.jsonl")]
    assert "no sweep" in found(folder)[1].found


def test_an_empty_file_is_nothing(write, healthy):
    folder = write(healthy)
    (folder / "b.jsonl").touch()
    assert found(folder) == []


def test_a_link_and_a_pipe_are_named_and_not_opened(healthy, write):
    folder = write(healthy)
    (folder / "b.jsonl").symlink_to("/dev/zero")
    os.mkfifo(folder / "c.jsonl")
    assert [(f.level, f.what) for f in found(folder)] == [("error", "b.jsonl"), ("error", "c.jsonl")]


def test_a_sweep_without_an_end_was_killed_or_still_runs(healthy, write):
    assert only(write(healthy[:-1])) == ("warning", "a.jsonl", "no end after 8 rows: it still runs, or was killed")


END = ("end", {"wall_s": {"import": 1.0}})


def test_a_killed_sweep_that_a_later_one_resumed_asks_for_nothing(healthy, write):
    folder = write(healthy[:-1])  # it has no end
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b'{"kind": "row", "sch')
    later = "20260201T000000-abcdef"
    run = healthy[0][1] | {"sweep": later, "resumes": ["20250101T000000-abcdef"]}
    write([("run", run), ("end", {"wall_s": {}})], "b.jsonl")
    assert [finding.level for finding in found(folder)] == ["warning", "warning"]
    write([("run", run | {"resumes": [SWEEP]}), ("end", {"wall_s": {}})], "c.jsonl")
    [finding] = found(folder)
    assert (finding.level, finding.what, finding.advice) == ("note", "a.jsonl", "")
    assert finding.found == f"did not come to its end; {later} went on with it"


def test_members_end_with_their_driver(row, family):
    assert found(family([END], {1: [row], 2: [row, row]})) == []


def test_a_killed_driver_is_told_once_with_how_to_fetch_what_members_have(row, family):
    folder = family([("row", {**row, "status": "interrupted"})], {1: [row], 2: [row, row]})
    [finding] = found(folder)
    assert (finding.level, finding.what) == ("warning", f"{row['sweep']}.jsonl")
    assert finding.found == "no end after 4 rows: it still runs, or was killed"
    assert "python -m benchmarks cluster collect ADDRESS" in finding.advice
    assert finding.advice.endswith("--resume")


def test_a_driver_that_was_killed_before_any_row_is_told_too(family):
    assert "no end after 0 rows" in only(family([], {1: []}))[2]


def test_members_without_their_driver_s_file_are_told(row, family):
    folder = family([END], {1: [row], 2: [row]})
    (folder / f"{row['sweep']}.jsonl").unlink()
    assert [(f.level, f.what) for f in found(folder)] == [
        ("warning", f"{row['sweep']}.m01.jsonl"), ("warning", f"{row['sweep']}.m02.jsonl"),
    ]  # fmt: skip
    assert f"{row['sweep']}.jsonl is not here" in found(folder)[0].found


def test_rows_without_a_record_of_their_run_are_said(tmp_path, row):
    append(tmp_path / "a.jsonl", "row", row)
    assert only(tmp_path)[0] == "warning"
    assert "no record of its run" in only(tmp_path)[2]


def test_where_nothing_is_there_the_way_is_shown(tmp_path, healthy, write):
    assert found(tmp_path / "absent")[0].advice == "make rows with: tox -e bench"
    write(healthy)
    [finding] = found(tmp_path)
    assert (finding.level, finding.advice) == ("note", "look into results below it with --results")
