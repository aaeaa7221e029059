from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.errors import EnvironmentMissing
from benchmarks.launch import ceilings
from benchmarks.launch.ceilings import SIZES, Point
from benchmarks.launch.outcome import Outcome
from benchmarks.machine import environments, hardware, imports

POINT = Point("cpu", "float32", 1)
RATES = {"torch": {256: 1e9, 512: 5e9}, "jax": {256: 7e9, 512: 2e9}, "numpy": {256: 3e9}}


def answer(rates, flags=()):
    sizes = [{"size": size, "flops_per_s": rate} for size, rate in rates.items()]
    return Outcome("ok", "", {"sizes": [*sizes, {"size": 4096, "skipped": "too long"}]}, "", flags=frozenset(flags))


@pytest.fixture
def workers(monkeypatch, tmp_path):
    """Fake workers: `endings` by framework, those without one have no environment; `asked` lists who was launched."""

    found = SimpleNamespace(endings={name: answer(rates) for name, rates in RATES.items()}, asked=[])

    def interpreter(framework, device):
        if framework not in found.endings:
            raise EnvironmentMissing(framework)
        return Path(framework)

    def launch(place, request, timeout_s):
        assert request["task"] == "products"
        assert (place.device, len(place.cpus)) == ("cpu", 1)
        found.asked.append(place.interpreter.name)
        return found.endings[place.interpreter.name]

    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "interpreter", interpreter)
    monkeypatch.setattr(environments, "lock_hash", lambda framework, device: f"lock of {framework}")
    monkeypatch.setattr(ceilings, "launch", launch)
    return found


def measured(frameworks=tuple(RATES), sizes=SIZES, fresh=False):
    return ceilings.measured_peak(POINT, frameworks, sizes, fresh, lambda text: None)


def test_the_peak_is_the_fastest_of_all_frameworks_and_sizes(workers):
    found = measured()
    assert (found["flops_per_s"], found["framework"], found["size"]) == (7e9, "jax", 256)
    assert found["complete"]
    assert found["frameworks"]["torch"]["sizes"][1] == {"size": 512, "flops_per_s": 5e9}


def test_who_had_other_threads_or_failed_has_no_say_and_nothing_is_kept(workers):
    workers.endings["jax"] = answer(RATES["jax"], ["thread_mismatch"])
    assert measured()["flops_per_s"] == 5e9
    workers.endings["torch"] = Outcome("crashed", "SIGSEGV", None, "")
    found = measured()
    assert (found["flops_per_s"], found["complete"]) == (3e9, False)
    assert ceilings._known_peak(POINT) is None
    workers.endings = {name: Outcome("failed", "why", None, "") for name in RATES}
    assert measured()["flops_per_s"] is None


def test_who_cannot_at_all_does_not_keep_a_peak_from_being_complete(workers):
    workers.endings["torch"] = Outcome("unsupported", "no float32", {}, "")
    assert measured()["complete"]
    assert ceilings._known_peak(POINT) == 7e9


def test_a_peak_is_measured_once_and_read_after_that(workers):
    first = measured()
    assert workers.asked == list(RATES)
    assert measured() == first
    assert len(workers.asked) == 3
    workers.endings["jax"] = answer({256: 9e9})
    assert measured(fresh=True)["flops_per_s"] == 9e9
    assert ceilings._known_peak(POINT) == measured()["flops_per_s"] == 9e9


def test_another_lock_machine_or_code_is_another_peak(workers, monkeypatch):
    measured()
    for module, name in ((environments, "lock_hash"), (hardware, "fingerprint"), (imports, "code_hash")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda *_: "another")
            assert ceilings._known_peak(POINT) is None, name
    assert ceilings._known_peak(POINT._replace(dtype="float64")) is None
    assert ceilings._known_peak(POINT._replace(threads=2)) is None
    assert ceilings._known_peak(POINT) == 7e9


def test_rows_take_only_a_peak_of_all_frameworks_here_at_the_default_sizes(workers):
    measured(["torch", "numpy"])
    measured(sizes=[256])
    assert ceilings._known_peak(POINT) is None
    del workers.endings["jax"]
    assert ceilings._known_peak(POINT) == 5e9


def test_there_is_no_numpy_on_a_gpu(workers):
    assert ceilings.available_frameworks("cpu") == ["torch", "jax", "numpy"]
    assert ceilings.available_frameworks("gpu") == ["torch", "jax"]
