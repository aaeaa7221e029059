from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest

from adapters.registry import FRAMEWORKS
from benchmarks.launch.probe import Probe
from benchmarks.plan.cells import RequestedAxes
from benchmarks.sweep.dask.facts import requested_cells, requested_points, requested_probes


def facts(cores=4, **devices):
    """A machine's facts; frameworks by device."""
    probes = [
        Probe(name, device, facts={"recommended": {"preloaded": {"linear": "fused"}}})
        for device, names in devices.items()
        for name in names
    ]
    return {
        "fingerprints": {device: f"kind-{device}" for device in devices},
        "cores": cores,
        "probes": [dataclasses.asdict(probe) for probe in probes],
    }


def asked(**changes):
    default = RequestedAxes([], ["linear"], ["cpu"], [None], [None], ["float32"], [], ["preloaded"], [""])
    return dataclasses.replace(default, **changes)


def test_defaults_are_each_machine_s_own():
    small, large = facts(1, cpu=["numpy"]), facts(8, cpu=["numpy", "torch"])
    assert [(cell.framework, cell.threads, cell.mode) for cell in requested_cells(asked(), small, ["d"])] == [
        ("numpy", 1, "fused")
    ]
    assert [(cell.framework, cell.threads) for cell in requested_cells(asked(), large, ["d"])] == [
        ("numpy", 8),
        ("torch", 8),
    ]


def test_a_device_that_a_machine_lacks_is_not_measured_there():
    gpu = asked(devices=["cpu", "all"])
    assert {cell.device for cell in requested_cells(gpu, facts(cpu=["torch"]), ["d"])} == {"cpu"}
    assert {cell.device for cell in requested_cells(gpu, facts(cpu=["torch"], gpu=["torch"]), ["d"])} == {"cpu", "gpu"}
    assert requested_cells(asked(devices=["gpu:1"]), facts(cpu=["torch"], gpu=["torch"]), ["d"]) == []


def test_a_framework_that_was_named_and_is_not_there_has_cells_that_say_so():
    named = asked(frameworks=["numpy", "jax"])
    here = facts(cpu=["numpy"])
    assert [cell.framework for cell in requested_cells(named, here, ["d"])] == ["numpy", "jax"]
    assert "tox run --notest -e jax-cpu" in requested_probes(named, here)["jax", "cpu"].problem


@pytest.mark.parametrize(("wanted", "found"), [([], [4]), ([1, 2], [1, 2]), ([2, 64], [2]), ([64], [4])])
def test_threads_are_at_most_a_machine_s_cores(wanted, found):
    assert asked(threads=wanted).threads_of(4) == found


def test_a_framework_outside_a_default_sweep_is_measured_where_it_is_named_and_all_with_its_threads(monkeypatch):
    monkeypatch.setitem(FRAMEWORKS, "jax", replace(FRAMEWORKS["jax"], in_default=False, max_threads=1))
    here = facts(4, cpu=["numpy", "jax"])
    assert [(c.framework, c.threads) for c in requested_cells(asked(), here, ["d"])] == [("numpy", 4)]
    both = asked(frameworks=["numpy", "jax"])
    assert [(c.framework, c.threads) for c in requested_cells(both, here, ["d"])] == [("numpy", 1), ("jax", 1)]
    assert {point.threads for point in requested_points(both, here)} == {1}
    assert {point.threads for point in requested_points(asked(frameworks=["jax"], threads=[2]), here)} == {2}
