from __future__ import annotations

import pytest

from benchmarks.cli import display
from benchmarks.sweep import ledger


def launch(**values):
    parts = {name: 1.0 for names in ledger.PARTS.values() for name in names}
    return {"status": "ok", "task": "speed", "duration_s": 20.0, **parts, "timed_s": 10.0, **values}


def test_every_second_is_accounted_for_once():
    rows = [
        launch(),
        launch(import_s=None),
        {"status": "ok", "task": "accuracy", "duration_s": 5.0, "import_s": 0.5, "seconds_by_epoch": [1.0, 2.5]},
        launch(status="timeout", duration_s=7.0),
    ]
    account = ledger.Ledger(0, 0)
    for row in rows:
        account.spend(row)
    found = account.split(70.0, proofs=12.0)
    assert sum(found.values()) == pytest.approx(70.0)
    assert found["timed chunks"] == 20.0
    assert found["import"] == 1.5
    assert found["first step"] == 4.0
    assert found["judging"] == 2.0
    assert found["accuracy epochs"] == 2.5
    assert found[ledger.ACCURACY_REST] == 2.0
    assert found["launches not ok"] == 7.0
    assert found["proofs"] == 12.0
    assert found["between launches"] == pytest.approx(70 - 2 * 20 - 5 - 7 - 12)


def test_the_largest_part_is_said_first_and_the_smallest_not_at_all():
    said = display._spent({"import": 30.0, "timed chunks": 69.9, "build": 0.1})
    assert said == "100 s: timed chunks 70%, import 30%"
