"""What a sweep says at its end: which launches stand in one table, and why comparisons stopped."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.cli import display
from benchmarks.cli.display import _stopped
from benchmarks.cli.tables import sweep_tables
from benchmarks.plan.cells import Cell, Launch
from benchmarks.record import store
from benchmarks.record.schema import validate
from benchmarks.sweep.ledger import Ledger
from tests.unit.conftest import in_columns

STOP = {
    **{"recipe": "mlp", "dataset": "mnist", "device": "cpu", "batch_size": 100, "dtype": "float32", "threads": 2},
    **{"input": "preloaded", "rounds": 1, "reason": "rounds"},
}


def test_two_recipes_of_one_network_are_two_comparisons(row):
    rows = [validate(row | {"recipe": recipe, "flags": []}) for recipe in ("mlp", "mlp_tutorial")]
    tables = list(sweep_tables(rows, 200))
    assert [str(table.title).split(",")[0] for table in tables] == ["mlp", "mlp (recipe mlp_tutorial)"]
    assert [in_columns(table)["launches"] for table in tables] == [["1"], ["1"]]


@pytest.mark.parametrize(
    ("width", "words"),
    [(None, "(rounds)"), (0.021, "(rounds), ratios known to 2.1 %"), (0.7, "(rounds), ratios not known yet")],
)
def test_a_comparison_that_stopped_is_told_of_whoever_measured_it(width, words):
    """On one machine the record is at hand; of several, the driver reads lines, where null is left out."""
    told = STOP | {"half_width": width}
    _, read = store.parse(store._line("stop", told)[:-1])
    assert _stopped(told) == _stopped(read)
    assert _stopped(read).endswith(f"stopped after 1 round {words}")


def test_a_busy_machine_is_said_first_of_the_last_lines(row, monkeypatch, capsys):
    noisy = {"flags": ["noisy"], "foreign_share": 0.2, "train_samples_per_s": 1000.0, "duration_s": 1.0}
    cell = Cell.from_row(row | {"revision": None})
    ledger = Ledger(1, 3)
    for number in range(3):
        ledger.report(Launch("speed", number, 0, cell), validate(row | noisy | {"round": number}), made=False)
    sweep = types.SimpleNamespace(
        rows_by_machine=lambda: {"": ledger.rows}, stops=[STOP], wall={"all": 1.0}, ledger=ledger,
        path=Path("a.jsonl"), results=Path("results of mine"),
    )  # fmt: skip
    monkeypatch.setattr(display, "out", Console(width=300))
    monkeypatch.setenv("TOX_ENV_NAME", "bench")
    assert display.show_outcome(sweep) == 0
    lines = capsys.readouterr().out.splitlines()
    said = [number for number, line in enumerate(lines) if "noisy: 3 by other processes; repeat when" in line]
    words = lines[said[0] :]
    assert [line.split(":")[0] for line in words[:3]] == [
        "3 of 3 launches were noisy", "mlp, batch 100", "mlp, mnist, cpu, batch 100, float32, preloaded data",
    ]  # fmt: skip
    assert "3 launches requested, 3 reported: 3 ok" in words
    assert words[-3] == "rows in a.jsonl; exit code 0"
    assert words[-2].startswith("next: tox -e compare -- --results 'results of mine' (")
    monkeypatch.delenv("TOX_ENV_NAME")
    assert display._next_steps(sweep)[1].startswith("  or: python -m report page --results 'results of mine' (")
