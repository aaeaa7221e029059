from __future__ import annotations

import pytest

from adapters.registry import FRAMEWORKS
from benchmarks.worker.libraries import aborted, is_out_of_memory


@pytest.mark.parametrize(
    ("framework", "message"),
    [
        ("torch", "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4.00 GiB"),
        (
            "torch",
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
        ),
        ("tensorflow", "OOM when allocating tensor with shape[16,12,512,512] and type float on device:GPU:0"),
        ("tensorflow", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 7406166528 bytes."),
        ("paddle", "Out of memory error on GPU 0. Cannot allocate 98.000244MB memory on GPU 0, 6.000000GB"),
        ("paddle", "(External) ResourceExhaustedError: Fail to alloc memory of 5060694016 size."),
        ("mxnet", "[11:18:15] src/storage/./pooled_storage_manager.h:161: cudaMalloc retry failed: out of memory"),
        ("mxnet", "src/storage/./cpu_device_storage.h:72: Failed to allocate CPU Memory"),
        ("jax", "RESOURCE_EXHAUSTED: Failed to allocate request for 2.99GiB (3206250496B) on device ordinal 0"),
        ("numpy", "std::bad_alloc"),
    ],
)
def test_a_framework_s_own_words(framework, message):
    assert is_out_of_memory(RuntimeError(message), framework)


@pytest.mark.parametrize(
    "message", ["memory format out of range", "invalid memory access", "out of bounds", "resource busy"]
)
def test_other_words_are_none(message):
    assert not any(is_out_of_memory(RuntimeError(message), framework) for framework in FRAMEWORKS)


def test_the_words_of_one_framework_are_none_in_another():
    assert not is_out_of_memory(RuntimeError("OOM when allocating tensor"), "torch")


def test_an_error_raised_from_one_is_one():
    error = RuntimeError("the batch could not be placed")
    assert not is_out_of_memory(error, "torch")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error, "torch")


def test_only_what_cpp_prints_when_it_ends_counts():
    assert aborted(
        "noise\nterminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    )
    assert not aborted("caught std::bad_alloc, going on\n")
