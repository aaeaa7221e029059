"""What was requested and what is reported are the same launches, also where a comparison stopped early."""

from __future__ import annotations

import io

from rich.console import Console

from benchmarks.cli import display
from benchmarks.cli.display import Display
from benchmarks.cli.tables import sweep_tables
from benchmarks.plan.cells import Cell, Launch
from benchmarks.record.schema import validate
from benchmarks.sweep.ledger import Ledger

CELLS = [Cell(name, "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1) for name in ("torch", "jax", "numpy")]


def reported(row, *endings, requested=None):
    """Return a ledger with these endings, given as (cell, status) each."""
    ledger = Ledger(len(CELLS), len(endings) if requested is None else requested)
    for number, (cell, status) in enumerate(endings):
        ledger.report(Launch("speed", number, 0, CELLS[cell]), validate({**row, "status": status}), made=False)
    return ledger


def test_cells_and_launches_by_status(row):
    ledger = reported(row, (0, "ok"), (1, "ok"), (1, "timeout"), (2, "crashed"), (0, "ok"))
    assert list(ledger.words()) == [
        "3 configurations requested, 3 reported: 1 ok, 1 (ok, timeout), 1 crashed",
        "5 launches requested, 5 reported: 3 ok, 1 timeout, 1 crashed",
    ]
    assert not ledger.all_ok()


def test_what_was_not_needed_is_neither_reported_nor_missing(row):
    ledger = reported(row, (0, "ok"), (1, "ok"), (2, "ok"), requested=9)
    assert not ledger.all_ok()
    ledger.not_needed = 6
    assert ledger.all_ok()
    assert ledger.progress() == (3, 3)
    assert ledger.words()[1] == "9 launches requested, 3 reported, 6 not needed: 3 ok"


def test_of_many_comparisons_a_few_are_shown(row):
    few = [{**validate({**row, "batch_size": n}), "status": "ok"} for n in range(1, display.MANY + 1)]
    assert len(list(sweep_tables(few, 80))) == display.MANY
    more = [*few, {**few[0], "batch_size": 999}]
    assert len(list(sweep_tables(more, 80))) == display.SHOWN


def test_a_terminal_that_hung_up_ends_no_display(row):
    class HungUp(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

    display = Display(Console(file=HungUp(), force_terminal=True))
    display(0, 1, Launch("speed", 0, 0, CELLS[0]), validate({**row, "status": "failed", "reason": "no"}))
    display.close()


def test_what_is_withdrawn_was_never_reported(row):
    ledger = reported(row, (0, "ok"), (1, "timeout"))
    again = Launch("speed", 1, 0, CELLS[0])
    kept = ledger.report(again, validate({**row, "status": "failed"}), made=False)
    ledger.withdraw(CELLS[0], kept)
    assert ledger.words()[1] == "2 launches requested, 2 reported: 1 ok, 1 timeout"
    ledger.withdraw(CELLS[1], ledger.rows[1])
    assert ledger.words()[0] == "3 configurations requested, 1 reported: 1 ok"
    assert ledger.open == 1


def test_two_kinds_of_machine_have_cells_of_their_own(row):
    both = Ledger.over([reported(row, (0, "ok"), (1, "ok")), reported(row, (0, "failed"), requested=2)])
    assert list(both.words()) == [
        "6 configurations requested, 3 reported: 2 ok, 1 failed",
        "4 launches requested, 3 reported: 2 ok, 1 failed",
    ]
    assert not both.all_ok()
