from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

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


@pytest.mark.fault(44)
def test_the_kernels_are_those_that_the_libraries_say_and_the_settings_that_the_worker_sees(monkeypatch):
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    before = libraries.facts(NumpyAdapter, "cpu")
    said = before["kernels"].split(", ")
    assert {f"OpenBLAS {core}" for core in before["openblas_cores"].values()} <= set(said)
    assert any(word.startswith("NumPy ") for word in said)
    assert not any(name in before["kernels"] for name in before["numeric_libraries"])  # a new build changes names
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")  # as a lent interpreter may set it
    after = libraries.facts(NumpyAdapter, "cpu")
    assert set(after["kernels"].split(", ")) - set(said) == {"ATEN_CPU_CAPABILITY=default"}
    assert after["settings"]["ATEN_CPU_CAPABILITY"] == "default"


def test_torch_and_onednn_say_what_they_chose(monkeypatch):
    """Libraries that pretend: the environment of this test has neither."""
    backends = SimpleNamespace(cpu=SimpleNamespace(get_cpu_capability=lambda: "AVX2"))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(backends=backends))
    monkeypatch.setattr(libraries.ctypes, "CDLL", lambda path: SimpleNamespace(dnnl_get_effective_cpu_isa=lambda: 7))
    assert {"torch AVX2", "oneDNN 0x7"} <= set(libraries._kernels([Path("libdnnl.so")], {}).split(", "))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(backends=SimpleNamespace()))  # an older one
    assert "torch" not in libraries._kernels([], {})
