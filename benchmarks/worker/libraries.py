"""What a framework computes with: the libraries it loaded, the kernels they chose, what it does to denormal numbers.

Recorded once per run, from the process itself: what a framework was built with need not be what was loaded.

Also the table of messages by which frameworks report that memory is over, on a device or on the host. No other error
that mentions memory is `oom`: that status needs evidence. Runs in a framework's environment.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from adapters.contract import Adapter
from adapters.recipes import RECIPES

NUMERIC = re.compile(r"^lib.*(blas|lapack|mkl|dnnl|blis|omp|tbb|cudnn|nccl)")
ALLOCATORS = re.compile(r"jemalloc|tcmalloc|mimalloc")
CORE_NAMES = (
    "openblas_get_corename",
    "openblas_get_corename64_",
    "scipy_openblas_get_corename",
    "scipy_openblas_get_corename64_",
)
SETTING = re.compile(r"(FLAGS|KMP|MKL|MXNET|OMP|OPENBLAS|TF|TORCH|XLA)_")  # from the harness, or set by the worker
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
    return {
        "numeric_libraries": sorted({path.name for path in libraries if NUMERIC.search(path.name)}),
        "openblas_cores": _openblas_cores(libraries),
        "allocator": next((path.name for path in libraries if ALLOCATORS.search(path.name)), "libc"),
        "denormals": behaviour,
        "settings": {name: value for name, value in sorted(os.environ.items()) if SETTING.match(name)},
    }


ANYWHERE = (
    # std::bad_alloc where a binding turned it into no MemoryError: https://en.cppreference.com/w/cpp/memory/new/bad_alloc
    r"std::bad_alloc",
)
SAYS = {
    "torch": (
        r"CUDA out of memory\.",  # https://docs.pytorch.org/docs/stable/notes/faq.html
        r"DefaultCPUAllocator: (can't allocate|not enough) memory",  # https://github.com/pytorch/pytorch/pull/20618
        r"CUDA error: out of memory",
    ),
    "tensorflow": (
        r"OOM when allocating tensor",  # tf.errors.ResourceExhaustedError; tensorflow/core/framework/op_kernel.cc
        r"RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)",  # from XLA, as in jax
    ),
    "paddle": (
        r"Out of memory error on GPU",  # https://github.com/PaddlePaddle/Paddle/pull/19779
        r"Fail to alloc memory of \d+ size",  # https://github.com/PaddlePaddle/PaddleOCR/issues/2656
    ),
    "mxnet": (
        r"cudaMalloc (retry )?failed: out of memory",  # https://github.com/apache/mxnet/issues/16803
        r"Failed to allocate CPU Memory",  # src/storage/cpu_device_storage.h
    ),
    "jax": (
        r"RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)",  # https://github.com/jax-ml/jax/issues/13428
    ),
    "numpy": (),  # MemoryError alone
}


def is_out_of_memory(error: BaseException, framework: str) -> bool:
    """Return whether an exception, or one that it was raised from, says that memory is over."""
    patterns = (*ANYWHERE, *SAYS.get(framework, ()))
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
