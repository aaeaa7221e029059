from __future__ import annotations

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


def test_numpy_computes_on_one_thread_meanwhile_and_on_as_many_as_before_after_it():
    numpy_s = [path for path in libraries._loaded() if path.parent.name == "numpy.libs" and "openblas" in path.name]
    library = libraries.ctypes.CDLL(str(numpy_s[0]))
    names = (name.replace("get_corename", "{}_num_threads") for name in libraries.CORE_NAMES)
    name = next(name for name in names if hasattr(library, name.format("get")))
    threads, change = (getattr(library, name.format(verb)) for verb in ("get", "set"))
    before = threads()
    try:
        change(2)
        with libraries.numpy_on_one_thread():
            assert threads() == 1
        assert threads() == 2
    finally:
        change(before)


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


def test_a_framework_and_onednn_say_what_they_chose(monkeypatch):
    """They pretend: the environment of this test has neither."""
    monkeypatch.setattr(libraries.ctypes, "CDLL", lambda path: SimpleNamespace(dnnl_get_effective_cpu_isa=lambda: 7))
    chosen = SimpleNamespace(framework="torch", kernels=lambda: "AVX2")
    assert {"torch AVX2", "oneDNN 0x7"} <= set(libraries._kernels(chosen, [Path("libdnnl.so")], {}).split(", "))
    assert "numpy" not in libraries._kernels(NumpyAdapter, [], {})
