"""Ratios over several kinds of machine: means, how far they are sure, and what they are of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from report.page.inputs import PAGE_COLUMNS
from report.results.load import load
from report.tables.compare import compare
from report.tables.over_machines import over_machines


def test_the_mean_over_machines_is_geometric_of_ratios(on_machines, launches):
    """torch is twice as fast as jax on one machine, half as fast on the other, which is ten times faster."""
    noise = (1.0, 1.01, 0.99, 1.0, 1.02, 0.98)

    def both(torch, jax):
        return launches(*(torch * n for n in noise)) + launches(*(jax / n for n in noise), framework="jax")

    frame = load(on_machines([("small", both(200, 100)), ("large", both(1000, 2000))]), PAGE_COLUMNS)
    found = over_machines(compare(frame), frame).set_index("framework")
    assert found["ratio"].to_list() == pytest.approx([1, 1], rel=1e-3)
    assert found["machines"].tolist() == found["of"].tolist() == [2, 2]
    assert found["fastest"].tolist() == [1, 1]
    other = found.drop(index=found["reference"].iloc[0])
    assert other["low"].iloc[0] < 1 < other["high"].iloc[0] < 1.03
    assert [other["least"].iloc[0], other["most"].iloc[0]] == pytest.approx([0.5, 2], rel=1e-3)
    asked = over_machines(compare(frame), frame, "torch")
    assert set(asked["reference"]) == {"torch"}


def test_the_mean_s_interval_has_the_freedom_of_its_parts_after_welch_and_satterthwaite(on_machines, launches):
    """Two machines of six rounds each, on one of which ratios vary more: 5 to 10 degrees are left."""
    steady, wild = ([1 + share * n for n in (-2, -1, 0, 1, 3, -1)] for share in (0.05, 0.1))

    def both(factors):
        return launches(*(200 * factor for factor in factors)) + launches(*[100.0] * len(factors), framework="jax")

    frame = load(on_machines([("small", both(steady)), ("large", both(wild))]), PAGE_COLUMNS)
    found = over_machines(compare(frame), frame).set_index("framework").loc["jax"]
    logs = [np.log(factors) for factors in (steady, wild)]
    parts = [np.var(values, ddof=1) / len(values) for values in logs]
    freedom = sum(parts) ** 2 / sum(part**2 / (len(values) - 1) for part, values in zip(parts, logs, strict=True))
    assert 6 < freedom < 9
    mean = -np.log(2) - sum(values.mean() for values in logs) / 2
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts)) / 2
    assert [found["ratio"], found["low"], found["high"]] == pytest.approx(np.exp([mean, mean - half, mean + half]))


def test_what_one_machine_measured_has_no_mean(on_machines, launches):
    frame = load(on_machines([("small", launches(200)), ("large", launches(100, batch_size=8))]), PAGE_COLUMNS)
    assert over_machines(compare(frame), frame).empty
