from __future__ import annotations

import pytest

from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import batches
from report.results.load import load


@pytest.fixture
def cells(write_set, make):
    """Return the table of speeds given as {(framework, mode, device): {batch size: samples/s}}."""

    def compared(speeds, **changes):
        rows = []
        for (framework, mode, device), by_batch in speeds.items():
            axes = {"framework": framework, "mode": mode, "device": device, **changes}
            rows += [make(batch_size=n, train_samples_per_s=float(value), **axes) for n, value in by_batch.items()]
        return Inputs(load(write_set("cells", *rows), PAGE_COLUMNS), [])

    return compared


def test_a_device_overtakes_where_it_stays_ahead():
    assert batches._overtakes({1: 1, 8: 9, 64: 90}, {1: 2, 8: 8, 64: 80}) == 8
    assert batches._overtakes({1: 3, 8: 7, 64: 90}, {1: 2, 8: 8, 64: 80}) == 64
    assert batches._overtakes({1: 3, 8: 9}, {1: 2, 8: 8, 512: 1}) == 1
    assert batches._overtakes({1: 3, 8: 7}, {1: 2, 8: 8}) is None


def test_crossovers_are_named_in_words(cells):
    found = cells(
        {
            ("torch", "eager", "cpu"): {8: 100, 64: 200, 512: 300},
            ("torch", "eager", "gpu"): {8: 50, 64: 250, 512: 3000},
            ("jax", "eager", "cpu"): {8: 90, 64: 210, 512: 310},
        }
    )
    said = list(batches._sentences(found.timed))
    assert said[0].endswith(
        "from batch 64 on the GPU overtakes the CPU, up to 512 (there 10 times its speed) in torch (eager)."
    )
    ahead = "is ahead, with 1 launch each and no verdict"
    assert any(f"batch 8: torch {ahead}; batch 64 to 512: jax {ahead}." in sentence for sentence in said)


def test_only_verdicts_make_a_leader(write_set, launches):
    noise = (1.0, 1.1, 0.9, 1.05, 0.95, 1.02)
    speeds = {8: {"torch": 900, "jax": 300}, 64: {"torch": 900, "jax": 310}, 512: {"torch": 1000, "jax": 990}}
    rows = []
    for size, found in speeds.items():
        for name, speed in found.items():
            drift = noise if name == "torch" else noise[::-1]
            rows += launches(*(speed * d for d in drift), framework=name, batch_size=size)
    [said] = batches._leaders(Inputs(load(write_set("lead", *rows), PAGE_COLUMNS), []).timed)
    assert said.endswith("batch 8 to 64: torch leads; batch 512: torch and jax are not distinguished.")


def test_devices_are_compared_in_the_mode_that_is_best_on_each(cells):
    found = cells(
        {
            ("torch", "eager", "cpu"): {8: 100, 64: 200, 512: 300},
            ("torch", "compiled", "cpu"): {8: 10, 64: 20, 512: 30},
            ("torch", "fused", "gpu"): {8: 50, 64: 250, 512: 3000},
        }
    )
    [said] = batches._devices(found.timed)
    assert "from batch 64 on the GPU overtakes the CPU" in said
    assert said.endswith("in torch (eager on the CPU, fused on the GPU).")


def test_frameworks_are_named_with_their_modes():
    pairs = {("torch", "eager"), ("jax", "fused"), ("jax", "eager")}
    assert batches._by_name(pairs) == "jax (eager, fused) and torch (eager)"


def test_dispatch_dominates_up_to_the_largest_batch_whose_step_it_is_half_of(cells):
    found = cells({("torch", "eager", "cpu"): {1: 1000, 64: 40_000, 512: 50_000}}, dispatch_s=0.0009)
    [said] = list(batches._dispatch(found.timed))  # a step of 64 takes 1.6 ms, of 512 10 ms
    assert "up to batch 64 dispatch dominates a step of torch (eager)" in said
    fused = found.timed.assign(mode="fused")
    assert list(batches._dispatch(fused)) == []


def test_of_one_batch_size_nothing_but_the_devices_is_said(cells):
    found = cells({("torch", "eager", "cpu"): {8: 100}, ("torch", "eager", "gpu"): {8: 200}}, dispatch_s=0.5)
    [said] = batches._sentences(found.timed)
    assert "the GPU is ahead of the CPU at batch 8, the only size that both have (there 2 times" in said
