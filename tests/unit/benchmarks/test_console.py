"""What a sweep says at its end, from records as they are read back."""

from __future__ import annotations

import pytest

from benchmarks.cli import summary
from benchmarks.record import store

STOP = {
    **{"recipe": "mlp", "dataset": "mnist", "device": "cpu", "batch_size": 100, "dtype": "float32", "threads": 2},
    **{"input": "preloaded", "rounds": 1, "reason": "rounds"},
}


@pytest.mark.parametrize(
    ("width", "words"),
    [(None, "(rounds)"), (0.021, "(rounds), ratios known to 2.1 %"), (0.7, "(rounds), ratios not known yet")],
)
def test_a_comparison_that_stopped_is_told_of_whoever_measured_it(width, words):
    """On one machine the record is at hand; of several, the driver reads lines, where null is left out."""
    told = STOP | {"half_width": width}
    _, read = store.parse(store._line("stop", told)[:-1])
    assert summary.stopped(told) == summary.stopped(read)
    assert summary.stopped(read).endswith(f"stopped after 1 rounds {words}")
