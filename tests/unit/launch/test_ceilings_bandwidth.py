"""Memory's bandwidth: NumPy's on a CPU, the fastest framework's on a card; workers and the card are pretended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import files
from benchmarks.errors import EnvironmentMissing
from benchmarks.launch import ceilings
from benchmarks.launch.ceilings import Point
from benchmarks.launch.outcome import Outcome
from benchmarks.machine import environments, hardware

CPU, GPU = Point("cpu", "float32", 1), Point("gpu", "bfloat16", 1)


def answer(*speeds, flags=()):
    sets = [{"set_bytes": 1 << (22 + 2 * n), "bytes_per_s": speed} for n, speed in enumerate(speeds)]
    return Outcome("ok", "", {"sets": sets}, "", flags=frozenset(flags))


@pytest.fixture
def workers(monkeypatch, tmp_path):
    """Fake workers: `endings` by framework, those without one have no environment; `asked` says who had what to do."""
    found = SimpleNamespace(endings={}, asked=[])

    def interpreter(framework, device):
        if framework not in found.endings:
            raise EnvironmentMissing(framework)
        return Path(framework)

    def launch(place, request, timeout_s):
        framework = place.interpreter.name
        found.asked.append((framework, place.device, request["task"], request.get("dtype")))
        return found.endings[framework]

    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "interpreter", interpreter)
    monkeypatch.setattr(environments, "lock_hash", lambda framework, device: f"lock of {framework}")
    monkeypatch.setattr(ceilings, "launch", launch)
    return found


def measured(point, fresh=False):
    return ceilings.measured_bandwidth(point, fresh, lambda text: None)


def test_the_largest_set_is_three_arrays_of_four_times_the_cache_within_memory(monkeypatch):
    class Memory:
        available = 10**12

    monkeypatch.setattr(ceilings.psutil, "virtual_memory", Memory)
    monkeypatch.setattr(hardware, "last_level_cache_bytes", lambda cpus: 32 << 20)
    assert ceilings._sets_bytes(1) == [32768 * 4**n for n in range(7)] + [12 * 32 << 20]
    assert ceilings._sets_bytes(2)[0] == 65536
    monkeypatch.setattr(Memory, "available", 400 << 20)
    assert ceilings._sets_bytes(1)[-1] == 100 << 20


def test_memory_s_is_that_of_numpy_s_largest_set_and_is_kept(workers):
    workers.endings["numpy"] = answer(9e9, 1e9)
    for _ in range(2):
        assert measured(CPU)["bytes_per_s"] == 1e9
    assert workers.asked == [("numpy", "cpu", "bandwidth", None)]
    workers.endings["numpy"] = Outcome("timeout", "too long", None, "")
    assert measured(CPU, fresh=True)["bytes_per_s"] is None
    assert measured(CPU)["bytes_per_s"] == 1e9


def test_a_card_s_is_the_fastest_copy_of_any_framework_by_set_and_its_roof_takes_it(workers):
    workers.endings |= {"torch": answer(5e12, 2e12), "jax": answer(1e12, 3e12), "numpy": answer(9e15, 9e15)}
    assert measured(GPU)["sets"] == [
        {"set_bytes": 1 << 22, "bytes_per_s": 5e12}, {"set_bytes": 1 << 24, "bytes_per_s": 3e12}
    ]  # fmt: skip
    assert workers.asked == [(name, "gpu", "copies", "float32") for name in ("torch", "jax")]
    files.write_cached(
        "peaks", ceilings._peak_key(GPU, ceilings.available_frameworks("gpu"), ceilings.SIZES), {"flops_per_s": 1e15}
    )
    found = ceilings._ceiling(GPU)
    assert found.peak_flops_per_s == 1e15
    assert found.bytes_per_s(1 << 23) == 5e12
    assert found.bytes_per_s(1 << 30) == 3e12
    assert ceilings._ceiling(CPU).bandwidths == ()  # the processor's memory is another


def test_a_card_s_is_kept_only_where_every_framework_had_its_say(workers):
    workers.endings |= {"torch": answer(2e12), "jax": Outcome("failed", "no card", None, "")}
    found = measured(GPU)
    assert (found["status"], found["reason"], found["bytes_per_s"]) == ("failed", "jax: no card", None)
    assert ceilings._ceiling(GPU).bandwidths == ()
    workers.endings["jax"] = Outcome("unsupported", "none", {}, "")
    assert measured(GPU)["bytes_per_s"] == 2e12


def test_it_can_be_measured_where_there_is_an_environment_for_it(workers):
    workers.endings["torch"] = answer(1.0)
    assert [ceilings.can_be_measured(device) for device in ("cpu", "gpu")] == [False, True]
    workers.endings = {"numpy": answer(1.0)}
    assert [ceilings.can_be_measured(device) for device in ("cpu", "gpu")] == [True, False]
