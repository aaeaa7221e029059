"""What a sweep says at its end: which launches stand in one table, and why comparisons stopped."""

from __future__ import annotations

import pytest

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
