from __future__ import annotations

import numpy as np
import pytest

from adapters.numpy import NumpyAdapter
from benchmarks.worker import libraries


class Flushing(NumpyAdapter):
    """Sets to zero what is too small to be normal, as a processor does when it is told to."""

    def fetch(self, outputs):
        found = super().fetch(outputs)
        return np.where(np.abs(found) < np.finfo(found.dtype).tiny, 0, found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_denormals_are_looked_at_and_not_asked_for(dtype):
    assert libraries._denormals(NumpyAdapter, "cpu", dtype) == "kept"
    assert libraries._denormals(Flushing, "cpu", dtype) == "flushed"


def test_numpy_s_blas_is_found_with_the_kernels_it_chose(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("HOME_OF_NO_LIBRARY", "secret")
    found = libraries.facts(NumpyAdapter, "cpu")
    loaded = {name for name in found["numeric_libraries"] if "openblas" in name}  # scipy may have brought its own
    assert loaded == set(found["openblas_cores"]) != set()
    assert all(found["openblas_cores"].values())
    assert found["allocator"] == "libc"
    assert all("/" not in name for name in found["numeric_libraries"])  # no paths of this machine
    assert found["settings"]["OMP_NUM_THREADS"] == "2"
    assert "secret" not in found["settings"].values()
