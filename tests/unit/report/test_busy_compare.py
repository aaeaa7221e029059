"""`report compare` says before its table that a machine was busy, and of which set; a form for programs stays clean."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from report.cli import app

BUSY = "3 of 3 launches were noisy: 3 by the hypervisor; repeat when the machine is idle"


@pytest.fixture
def folders(write_set, launches):
    noisy = {"flags": ["noisy"], "stolen_share": 0.2}
    return write_set("calm", *launches(7, 8, 9)), write_set("busy", *launches(7, 8, 9, **noisy))


def shown(*arguments):
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return tuple(" ".join(text.split()) for text in (done.stdout, done.stderr))  # broken where the terminal ends


def test_it_comes_before_the_frameworks_of_one_set(folders):
    calm, busy = folders
    assert shown(busy)[0].startswith(BUSY)
    assert "noisy:" not in "".join(shown(calm))


def test_it_names_which_of_two_sets(folders):
    calm, busy = folders
    assert shown(calm, busy)[0].startswith(f"NEW: {BUSY}")
    assert shown(busy, calm, "--metric", "foreign_share")[0].startswith(f"BASE: {BUSY}")
    assert "launches were noisy" not in shown(calm, busy, "--metric", "accuracy")[0]


def test_a_form_for_programs_holds_the_table_alone(folders, tmp_path):
    table, said = shown(folders[1], "--format", "csv")
    assert table.count("torch") == 1
    assert "noisy:" not in table
    assert BUSY in said
    assert BUSY in shown(folders[1], "--out", tmp_path / "table.txt")[1]
