from __future__ import annotations

import pytest

from benchmarks.worker import mismatch, since_exec


@pytest.mark.parametrize(
    ("granted", "answer", "found"),
    [
        (2, {"cpu_per_wall": 1.99, "threads_computing": 2}, False),
        (2, {"cpu_per_wall": 1.2, "threads_computing": 3}, False),  # a pool's threads and the one that waits for them
        (1, {"cpu_per_wall": 1.99, "threads_computing": 2}, True),  # what the framework says
        (2, {"cpu_per_wall": 2.2, "threads_computing": 2}, True),  # more than asked
        (2, {"cpu_per_wall": 1.0, "threads_computing": 1}, True),  # fewer
        (2, {}, False),  # an accuracy launch, where nothing is timed
    ],
)
def test_threads_are_checked_in_three_ways(granted, answer, found):
    assert mismatch(2, granted, answer) is found


def test_a_process_knows_how_long_it_has_been_there():
    assert 0 < since_exec() < 3600
