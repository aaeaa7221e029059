"""What a framework computes with: the libraries it loaded, the kernels they chose, what it does to denormal numbers.

Recorded once per run, from the process itself: what a framework was built with need not be what was loaded.

Also whether an error says that memory is over, on a device or on the host, in the words that the framework's record
has. No other error that mentions memory is `oom`: that status needs evidence. Runs in a framework's environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import Adapter
from adapters.recipes import RECIPES
from adapters.registry import record

NUMERIC = re.compile(r"^lib.*(blas|lapack|mkl|dnnl|blis|omp|tbb|cudnn|nccl)")
ALLOCATORS = re.compile(r"jemalloc|tcmalloc|mimalloc")
CORE_NAMES = (
    "openblas_get_corename",
    "openblas_get_corename64_",
    "scipy_openblas_get_corename",
    "scipy_openblas_get_corename64_",
)
THREADS = ("set_num_threads", "get_num_threads")
# What is recorded of the environment: from the harness, or set by the worker.
SETTING = re.compile(r"(ATEN|DNNL|FLAGS|KMP|MKL|MXNET|NPY|OMP|ONEDNN|OPENBLAS|TF|TORCH|XLA)_")
# Settings by which libraries choose kernels: some do not say themselves what they chose.
CHOICE = re.compile(
    r"ATEN_CPU_CAPABILITY|(DNNL|ONEDNN)_(MAX_CPU_ISA|CPU_ISA_HINTS)|FLAGS_use_(mkldnn|onednn)"
    r"|MKL_(CBWR|DEBUG_CPU_TYPE|ENABLE_INSTRUCTIONS)|MXNET_(MKLDNN|ONEDNN)_ENABLED|NPY_(DISABLE|ENABLE)_CPU_FEATURES"
    r"|OPENBLAS_CORETYPE|TF_ENABLE_ONEDNN_OPTS|XLA_FLAGS"
)
DENORMAL = {"float32": 1e-40, "float64": 1e-310}


def _loaded() -> list[Path]:
    """Return the shared libraries of this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {Path(parts[5]) for line in lines if len(parts := line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if ".so" in path.name)


def _openblas_cores(libraries: list[Path]) -> dict[str, str]:
    """Return for each loaded OpenBLAS the processor whose kernels it chose."""
    cores = {}
    for path in libraries:
        if "openblas" in path.name:
            library = ctypes.CDLL(str(path))
            for name in CORE_NAMES:
                if function := getattr(library, name, None):
                    function.restype = ctypes.c_char_p
                    cores[path.name] = function().decode()
                    break
    return cores


@contextlib.contextmanager
def numpy_on_one_thread() -> Iterator[None]:
    """Let NumPy's own OpenBLAS compute on one thread meanwhile; a framework has another copy, or none.

    For the reference network: two spinning threads for products of small matrices take up to fifty times as long where
    others want the cores, too.
    """
    with contextlib.ExitStack() as undo:
        for path in _loaded():
            if "openblas" in path.name and path.parent.name == "numpy.libs":
                library = ctypes.CDLL(str(path))
                for name in CORE_NAMES:
                    setter, getter = (getattr(library, name.replace("get_corename", verb), None) for verb in THREADS)
                    if setter and getter:
                        undo.callback(setter, getter())
                        setter(1)
        yield


def _onednn_isas(libraries: list[Path]) -> set[int]:
    """Return the instruction sets that each loaded oneDNN uses at most, dnnl_cpu_isa_t of oneDNN's dnnl_types.h."""
    isas = set()
    for path in libraries:
        with suppress(OSError, AttributeError):  # a file replaced meanwhile, no oneDNN that shows its functions
            isas.add(ctypes.CDLL(str(path)).dnnl_get_effective_cpu_isa())
    return isas


def _numpy_features() -> list[str]:
    """Return the processor's features that NumPy uses, in its order: the newest is the last."""
    core = sys.modules.get("numpy._core._multiarray_umath") or sys.modules.get("numpy.core._multiarray_umath")
    return [name for name, is_used in getattr(core, "__cpu_features__", {}).items() if is_used]


def _kernels(adapter_class: type[Adapter], libraries: list[Path], cores: Mapping[str, str]) -> str:
    """Return which kernels framework and libraries chose, as they say themselves, and the settings that choose some.

    No versions and no names of files: a new build that chooses the same kernels has the same text.
    """
    said = {f"OpenBLAS {core}" for core in cores.values()}
    said |= {f"oneDNN {isa:#x}" for isa in _onednn_isas(libraries)}
    said |= {f"NumPy {name}" for name in _numpy_features()[-1:]}
    if own := adapter_class.kernels():
        said.add(f"{adapter_class.framework} {own}")
    said |= {f"{name}={value}" for name, value in os.environ.items() if CHOICE.fullmatch(name)}
    return ", ".join(sorted(said))


def _denormals(adapter_class: type[Adapter], device: str, dtype: str) -> str:
    """Return whether a denormal number times one, in a product of matrices, is `kept` or `flushed` to zero."""
    mode = adapter_class.recommended_mode(RECIPES["linear"].model, device)
    adapter = adapter_class(RECIPES["linear"], device, mode, dtype)
    one = np.eye(64, dtype=adapter.dtype)
    product = adapter.products(np.full((64, 64), DENORMAL[dtype], adapter.dtype), one)(1)
    adapter.synchronise(product)
    return "kept" if adapter.fetch(product)[0, 0] else "flushed"


def facts(adapter_class: type[Adapter], device: str) -> dict[str, Any]:
    """Return what is recorded of a framework on a device."""
    behaviour = _denormals(adapter_class, device, "float32")  # computes, so that everything is loaded
    libraries = _loaded()
    cores = _openblas_cores(libraries)
    return {
        "numeric_libraries": sorted({path.name for path in libraries if NUMERIC.search(path.name)}),
        "openblas_cores": cores,
        "kernels": _kernels(adapter_class, libraries, cores),
        "allocator": next((path.name for path in libraries if ALLOCATORS.search(path.name)), "libc"),
        "denormals": behaviour,
        "settings": {name: value for name, value in sorted(os.environ.items()) if SETTING.match(name)},
    }


ANYWHERE = (
    # std::bad_alloc where a binding turned it into no MemoryError: https://en.cppreference.com/w/cpp/memory/new/bad_alloc
    r"std::bad_alloc",
)


def is_out_of_memory(error: BaseException, framework: str) -> bool:
    """Return whether an exception, or one that it was raised from, says that memory is over."""
    patterns = (*ANYWHERE, *record(framework).out_of_memory)
    while True:
        if isinstance(error, MemoryError) or any(re.search(pattern, str(error)) for pattern in patterns):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


def aborted(output: str) -> bool:
    """Return whether a process that ended by SIGABRT printed that C++ found no memory and nobody caught it.

    The words are libstdc++'s, gcc's libsupc++/vterminate.cc.
    """
    words = "terminate called after throwing an instance of 'std::bad_alloc'"
    return any(line.startswith(words) for line in output.splitlines())
