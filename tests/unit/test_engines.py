"""What the programs that measure the engine conclude from speeds and files that are made up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.record import store
from benchmarks.stats import paired
from tests.studies import engine_scale, engines

CELLS = ("numpy eager mlp", "torch eager lenet")


def pairs(factor: float, spread: float, count: int = 10):
    """Return made-up pairs (local, dask) of two cells on a machine that drifts; by dask the first differs."""
    noise = np.random.default_rng(1).lognormal(0.0, spread, (count, 2, 2))
    drift = 1000.0 * (1 + np.arange(count) / count)
    return [
        (dict(zip(CELLS, speed * ours, strict=True)), dict(zip(CELLS, speed * theirs * [factor, 1.0], strict=True)))
        for speed, (ours, theirs) in zip(drift, noise, strict=True)
    ]


@pytest.mark.parametrize(
    ("factor", "spread", "verdicts", "differs"),
    [
        (1.0, 0.002, ["the same within 2%"] * 3, False),
        (0.9, 0.002, ["differs", "the same within 2%", "differs"], True),
        (1.0, 0.2, ["no difference seen"] * 3, False),
    ],
)
def test_an_a_a_is_judged_by_the_interval_of_its_pairs(factor, spread, verdicts, differs):
    launches = {"local": Counter(ok=20), "dask": Counter(ok=19, noisy=2)}
    shown, found = engines.table(pairs(factor, spread), launches)
    lines = [line.split(" | ") for line in shown.splitlines()[2:5]]
    assert [line[0].removeprefix("| ") for line in lines] == [*CELLS, "all"]
    assert [line[-1].removesuffix(" |") for line in lines] == verdicts
    assert found is differs
    assert "launches, local: 20 ok\n" in shown
    assert "launches, dask: 19 ok, 2 noisy" in shown


def test_a_cell_has_the_geometric_mean_of_its_launches_and_a_ratio_that_of_its_pairs():
    row = {"framework": "numpy", "mode": "eager", "model": "mlp", "status": "ok"}
    rows = [row | {"train_samples_per_s": speed} for speed in (100.0, 400.0)]
    rows.append(row | {"status": "invalid", "train_samples_per_s": 9e9})
    assert engines.speeds(rows) == {"numpy eager mlp": pytest.approx(200.0)}
    found = engines.ratios([({"a": 100.0}, {"a": 110.0}), ({"a": 200.0}, {"a": 180.0}), ({"a": 1.0}, {"a": 1.1})])["a"]
    expected = paired([110.0, 180.0, 1.1], [100.0, 200.0, 1.0])
    assert (found.mean, *found.bounds()) == pytest.approx((expected.mean, *expected.bounds()))


def test_a_pair_counts_for_the_cells_that_both_of_its_sweeps_have():
    found = engines.ratios([({"a": 1.0, "b": 1.0}, {"a": 2.0}), ({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 4.5})])
    assert {name: (pytest.approx(np.exp(ratio.mean)), ratio.n) for name, ratio in found.items()} == {
        "a": (2.0, 2), "b": (4.5, 1), "all": (3.0, 1)
    }  # fmt: skip


def test_rows_are_counted_and_those_that_come_twice_are_seen(tmp_path, row):
    first, second = row | {"cell": "a" * 16}, row | {"cell": "b" * 16}
    store.append(tmp_path / "a.jsonl", "row", first, second, second | {"status": "failed", "reason": "?"})
    store.append(tmp_path / "b.jsonl", "row", first)
    assert engine_scale.counted(tmp_path) == (3, 1)
