from __future__ import annotations

import math
from dataclasses import replace

import pytest

from adapters.declaration import SGD, Adam
from adapters.recipes import RECIPES
from benchmarks.launch.roofline import Ceiling, _state_arrays, step_bytes, utilised

MLP = RECIPES["mlp"]
CEILING = Ceiling.measured(
    100e9, [{"set_bytes": 1 << n, "bytes_per_s": speed} for n, speed in ((16, 80e9), (20, 60e9), (24, 10e9))]
)


def test_a_step_s_bytes_by_hand():
    images, outputs, parameters = 100 * 784, 100 * (128 + 64 + 10), 109_386
    assert step_bytes(MLP, 100, "float32") == (
        4 * (images + 2 * outputs + 2 * parameters), 4 * (images + outputs + parameters)
    )  # fmt: skip
    assert step_bytes(MLP, 100, "float64")[0] == 2 * step_bytes(MLP, 100, "float32")[0]
    assert step_bytes(MLP, 100, "tf32") == step_bytes(MLP, 100, "float32")
    state = 4 * MLP.model.parameter_count  # weights stay float32, what passes through the network need not
    for dtype in ("bfloat16", "float16"):
        moved, held = step_bytes(MLP, 100, dtype)
        assert 2 * moved == step_bytes(MLP, 100, "float32")[0] + 2 * state
        assert 2 * held == step_bytes(MLP, 100, "float32")[1] + state


def test_an_optimiser_s_state_is_moved_too():
    made = [replace(MLP, optimiser=optimiser) for optimiser in (SGD(0.1), SGD(0.1, 0.9), Adam())]
    assert [_state_arrays(recipe) for recipe in made] == [1, 2, 3]


@pytest.mark.parametrize(("held", "speed"), [(1 << 12, 80e9), (1 << 18, 80e9), (1 << 22, 60e9), (1 << 30, 10e9)])
def test_the_bandwidth_is_that_of_a_set_no_larger_than_the_step_s(held, speed):
    assert CEILING.bytes_per_s(held) == speed


def test_a_larger_set_that_was_faster_counts():
    assert Ceiling(1.0, ((16, 1.0), (64, 5.0))).bytes_per_s(20) == 5.0


def test_one_sample_is_bound_by_memory_and_many_by_arithmetic():
    low, high = (utilised(MLP, size, "float32", 1e9, CEILING) for size in (1, 1000))
    moved, _ = step_bytes(MLP, 1, "float32")
    assert low["roofline_flops_per_s"] == pytest.approx(454_400 / moved * 80e9)
    assert low["roofline_share"] > low["mfu"] == 0.01
    assert high["roofline_flops_per_s"] == 100e9
    assert "status" not in low | high


def test_above_the_roofline_is_impossible_though_below_the_peak():
    found = utilised(MLP, 1, "float32", 60e9, CEILING)
    assert found["mfu"] < 1 < found["roofline_share"]
    assert found["status"] == "impossible"
    assert "roofline" in found["reason"]


def test_without_a_peak_nothing_is_said_and_without_a_bandwidth_the_peak_is_the_roof():
    assert utilised(MLP, 1, "float32", 1e9, Ceiling()) == {}
    assert utilised(MLP, 1, "float32", 1e9, Ceiling(100e9))["roofline_flops_per_s"] == 100e9
    assert math.isinf(Ceiling(100e9).bytes_per_s(1))
