"""The tables at a sweep's end: which launches stand in one table, and in one line."""

from __future__ import annotations

from benchmarks.cli.summary import summary
from benchmarks.record.schema import validate


def test_two_recipes_of_one_network_are_two_comparisons(row):
    rows = [validate(row | {"recipe": recipe, "flags": []}) for recipe in ("mlp", "mlp_tutorial")]
    tables = list(summary(rows))
    assert [table.title.split(",")[0] for table in tables] == ["mlp", "mlp_tutorial"]
    assert [list(table.columns[3].cells) for table in tables] == [["1"], ["1"]]
