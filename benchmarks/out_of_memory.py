"""What frameworks say when memory is over, on a device or on the host: the one table by which an error is `oom`.

Another error that mentions memory is none: a status of `oom` needs evidence. Needs the standard library alone.
"""

from __future__ import annotations

import re

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
    while True:
        if isinstance(error, MemoryError) or said(str(error), framework):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


def said(message: str, framework: str) -> bool:
    """Return whether a message is one of those with which this framework says so."""
    return any(re.search(pattern, message) for pattern in (*ANYWHERE, *SAYS.get(framework, ())))


def aborted(output: str) -> bool:
    """Return whether a process that ended by SIGABRT printed that C++ found no memory and nobody caught it.

    The words are libstdc++'s, gcc's libsupc++/vterminate.cc.
    """
    words = "terminate called after throwing an instance of 'std::bad_alloc'"
    return any(line.startswith(words) for line in output.splitlines())
