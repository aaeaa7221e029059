"""What a sweep says at its end: which launches stand in one table, and why comparisons stopped."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.cli import display
from benchmarks.cli.display import _stopped, _summary
from benchmarks.record import store
from benchmarks.record.schema import validate

STOP = {
    **{"recipe": "mlp", "dataset": "mnist", "device": "cpu", "batch_size": 100, "dtype": "float32", "threads": 2},
    **{"input": "preloaded", "rounds": 1, "reason": "rounds"},
}


def test_two_recipes_of_one_network_are_two_comparisons(row):
    rows = [validate(row | {"recipe": recipe, "flags": []}) for recipe in ("mlp", "mlp_tutorial")]
    tables = list(_summary(rows))
    assert [table.title.split(",")[0] for table in tables] == ["mlp", "mlp_tutorial"]
    assert [list(table.columns[3].cells) for table in tables] == [["1"], ["1"]]


@pytest.mark.parametrize(
    ("width", "words"),
    [(None, "(rounds)"), (0.021, "(rounds), ratios known to 2.1 %"), (0.7, "(rounds), ratios not known yet")],
)
def test_a_comparison_that_stopped_is_told_of_whoever_measured_it(width, words):
    """On one machine the record is at hand; of several, the driver reads lines, where null is left out."""
    told = STOP | {"half_width": width}
    _, read = store.parse(store._line("stop", told)[:-1])
    assert _stopped(told) == _stopped(read)
    assert _stopped(read).endswith(f"stopped after 1 rounds {words}")


def test_a_busy_machine_is_said_first_of_the_last_lines(row, monkeypatch, capsys):
    noisy = {"flags": ["noisy"], "foreign_share": 0.2, "train_samples_per_s": 1000.0}
    rows = [validate(row | noisy | {"round": n}) for n in range(3)]
    ledger = types.SimpleNamespace(all_ok=lambda: True, words=lambda: ["all reported"], unlearnable=list)
    sweep = types.SimpleNamespace(
        rows_by_machine=lambda: {"": rows}, stops=[STOP], wall={"proofs": 1.0}, ledger=ledger, path=Path("a.jsonl")
    )
    monkeypatch.setattr(display, "out", Console(width=300))
    assert display.show_outcome(sweep) == 0
    last = capsys.readouterr().out.splitlines()
    [place] = [n for n, line in enumerate(last) if line.startswith("3 of 3 launches were noisy: 3 by other processes")]
    assert last[place + 1].startswith("mlp, mnist, cpu")
    assert "all reported" in last[place + 1 :]
