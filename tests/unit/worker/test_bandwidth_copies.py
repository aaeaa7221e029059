from __future__ import annotations

import pytest

from adapters.contract import ContractError
from adapters.numpy import NumpyAdapter
from benchmarks.worker import peak

REQUEST = {"device": "cpu", "dtype": "float32", "threads": 1, "sets_bytes": [800, 8000]}


@pytest.fixture
def numpy_at(clock):
    """NumPy's adapter whose copies take a microsecond an element on a clock that nothing else moves."""

    class Clocked(NumpyAdapter):
        @classmethod
        def set_threads(cls, threads):
            return threads

        def copies(self, array):
            work = super().copies(array)

            def timed(count):
                clock.work(len(array) * 1e-6)(count)
                return work(count)

            return timed

    return Clocked


def test_a_known_bandwidth_is_measured_in_every_set(numpy_at):
    found = peak.sweep_copies(numpy_at, REQUEST)
    assert [part["set_bytes"] for part in found["sets"]] == [800, 8000]
    for part in found["sets"]:  # four bytes are read and four are written in a microsecond
        assert part["bytes_per_s"] == pytest.approx(8e6, rel=1e-3)
    assert found["flags"] == []


@pytest.mark.parametrize(
    "fault", [lambda work, array: lambda count: [array], lambda work, array: lambda count: work(1)]
)
def test_what_does_not_copy_has_no_speed(numpy_at, fault):
    class Wrong(numpy_at):
        def copies(self, array):
            return fault(super().copies(array), array)

    with pytest.raises(ContractError, match="are not what they copy"):
        peak.sweep_copies(Wrong, REQUEST)


def test_what_cannot_run_says_why(numpy_at):
    assert peak.sweep_copies(numpy_at, {**REQUEST, "device": "gpu"})["status"] == "unsupported"
