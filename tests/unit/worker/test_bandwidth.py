from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.worker import peak


@pytest.mark.parametrize("elements", [1, peak.PIECE, 3 * peak.PIECE + 7])
def test_the_bytes_counted_are_those_of_all_three_arrays(elements):
    pieces = peak._arrays(elements)
    assert sum(array.nbytes for piece in pieces for array in piece) == peak.BYTES_PER_ELEMENT * elements


def test_the_triad_is_right_over_every_piece():
    pieces = peak._arrays(2 * peak.PIECE + 5)
    for _, b, c in pieces:
        b[:], c[:] = np.arange(len(b)), np.arange(len(c)) / 2
    peak._triad(pieces, 2)
    for a, b, c in pieces:
        np.testing.assert_array_equal(a, b + peak.SCALE * c)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_known_bandwidth_is_measured_over_all_threads(clock, monkeypatch, threads):
    def triad(pieces, passes):  # a nanosecond an element, and the threads in turn
        clock.ns += passes * sum(len(a) for a, _, _ in pieces)

    monkeypatch.setattr(peak, "_triad", triad)
    with ThreadPoolExecutor(1) as pool:
        found = peak._triad_rate(pool, threads, 72_000_000)
    assert found["set_bytes"] == 72_000_000
    assert found["bytes_per_s"] == pytest.approx(24e9, rel=1e-6)
