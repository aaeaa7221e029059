from __future__ import annotations

import json
import sys

import pytest
import typer

from benchmarks.checks import doctor
from benchmarks.cli.info import check_up
from benchmarks.errors import UsageError
from benchmarks.machine import environments
from benchmarks.record.store import append


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Ask no environment, and find no data: both take seconds."""
    monkeypatch.setattr(doctor, "environment_findings", lambda: iter(()))
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)


def code(*arguments):
    with pytest.raises(typer.Exit) as ended:
        check_up(*arguments)
    return ended.value.exit_code


@pytest.mark.fault(29)
def test_what_is_broken_is_said_in_plain_words(tmp_path, capsys):
    append(tmp_path / "a.jsonl", "run", {"sweep": "\x1b[31m[red]x"})
    (tmp_path / "\x1b]0;[red]b.jsonl").symlink_to("/etc/passwd")
    assert code(tmp_path) == 1
    said = capsys.readouterr().out
    assert "warning a.jsonl: no end after 0 rows" in said
    assert "error   \\x1b]0;[red]b.jsonl: a symbolic link, not a regular file" in said
    assert "→ go on with the same command and --resume" in said
    assert "\x1b" not in said


def test_programs_get_json_and_a_healthy_set_exit_0(row, tmp_path, capsys):
    append(tmp_path / "a.jsonl", "run", {"sweep": row["sweep"], "machine_kind": "abc", "code": "0" * 16})
    append(tmp_path / "a.jsonl", "row", {**row, "framework_version": "1", "train_samples_per_s": 1000.0, "flags": []})
    append(tmp_path / "a.jsonl", "end", {"wall_s": {"import": 1.0}})
    assert code(tmp_path, True) == 0
    found = json.loads(capsys.readouterr().out)
    assert {item["level"] for item in found} <= {"ok", "note", "warning"}
    assert sum(item["section"] == "rules" for item in found) == 8


def test_where_the_report_cannot_say_it_is_an_error_with_its_last_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(environments, "REPORT", [sys.executable, "-c", "raise SystemExit('no [pyarrow] here')"])
    assert code(tmp_path) == 1
    assert "error   results files: cannot be read: no [pyarrow] here" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        check_up(tmp_path / "absent")
