from __future__ import annotations

import numpy as np
import pytest

from adapters.contract import ContractError
from adapters.numpy import NumpyAdapter
from benchmarks.worker import peak

REQUEST = {"device": "cpu", "dtype": "float32", "threads": 1, "sizes": [16, 32, 64]}


@pytest.fixture
def numpy_at(clock):
    """NumPy's adapter whose products of size N take N**3 / 32**3 ms on a clock that nothing else moves."""

    class Clocked(NumpyAdapter):
        @classmethod
        def set_threads(cls, threads):
            return threads

        def products(self, left, right):
            work = super().products(left, right)

            def timed(count):
                clock.work(len(left) ** 3 / 32**3 * 1e-3)(count)
                return work(count)

            return timed

    return Clocked


def test_a_known_rate_is_measured_at_every_size(numpy_at):
    found = peak.sweep(numpy_at, REQUEST)
    assert [item["size"] for item in found["sizes"]] == REQUEST["sizes"]
    for item in found["sizes"]:
        assert item["flops_per_s"] == pytest.approx(2 * 32**3 / 1e-3, rel=1e-3)
    assert found["flags"] == []


def test_a_size_that_would_take_too_long_is_skipped_and_says_so(numpy_at, monkeypatch):
    monkeypatch.setattr(peak, "LONGEST_S", 2e-3)
    *_, last = peak.sweep(numpy_at, REQUEST)["sizes"]
    assert last["size"] == 64
    assert "would take about" in last["skipped"]
    assert "flops_per_s" not in last


def test_other_threads_than_asked_are_flagged(numpy_at):
    numpy_at.set_threads = classmethod(lambda cls, threads: 2)
    assert peak.sweep(numpy_at, REQUEST)["flags"] == ["thread_mismatch"]


def test_what_cannot_run_says_why(numpy_at):
    found = peak.sweep(numpy_at, {**REQUEST, "device": "gpu"})
    assert (found["status"], "GPU" in found["reason"]) == ("unsupported", True)


def returns_left(work, left, right):
    return lambda count: [left]


def returns_one_product(work, left, right):
    return lambda count: work(1)


def rounds_to_ten_bits(work, left, right):  # as TF32 does
    narrow = (left.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    return lambda count: [narrow @ right if count == 1 else left]


@pytest.mark.parametrize("fault", [returns_left, returns_one_product, rounds_to_ten_bits])
def test_a_wrong_product_has_no_speed(numpy_at, fault):
    class Wrong(numpy_at):
        def products(self, left, right):
            return fault(super().products(left, right), left, right)

    with pytest.raises(ContractError, match="off by"):
        peak.sweep(Wrong, {**REQUEST, "sizes": [64]})


def test_the_reflection_is_its_own_inverse():
    _, axis = peak._operands(50, "float64")
    matrix = peak._reflection(axis)
    np.testing.assert_allclose(matrix @ matrix, np.eye(50), atol=1e-14)
    assert np.abs(matrix - np.eye(50)).max() > 0.1
