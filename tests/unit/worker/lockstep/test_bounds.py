from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from adapters.registry import FRAMEWORKS
from benchmarks.worker.lockstep.bounds import (
    BOUNDS,
    REPLAY_BOUNDS,
    WIDER,
    bounds_of,
    gradient_scale,
    least_loss,
    loss_deviations,
    outputs_bound,
    replay_bounds,
    step_bounds,
    summed_bound,
)


@pytest.mark.parametrize("wider", WIDER, ids=lambda wider: f"{wider.framework} {wider.dtype} {wider.kind}")
def test_a_wider_bound_is_at_most_ten_times_and_has_its_reason(wider):
    usual = asdict(BOUNDS[wider.dtype])[wider.kind]
    assert usual < wider.bound <= 10 * usual
    assert wider.dtype != "float64"
    assert wider.framework in FRAMEWORKS
    assert wider.link.startswith("https://")
    assert len(wider.reason) > 40


def test_a_wider_bound_is_its_framework_s_alone():
    assert bounds_of("torch", "float32") == BOUNDS["float32"]
    assert bounds_of("mxnet", "float64") == BOUNDS["float64"]
    assert bounds_of("mxnet", "float32").gradient == 5e-5
    assert bounds_of("mxnet", "float32").loss == BOUNDS["float32"].loss


def test_narrower_precisions_are_held_to_more():
    for kind in ("loss", "gradient", "weights", "outputs"):
        ordered = [asdict(BOUNDS[dtype])[kind] for dtype in ("float64", "float32", "tf32", "bfloat16")]
        assert ordered == sorted(ordered)


def test_a_loss_near_zero_is_compared_to_the_rounding_of_outputs():
    near_zero, usual = np.array(2.7e-5), np.array(2.0)
    assert loss_deviations(near_zero + 5e-17, near_zero, "float64") < BOUNDS["float64"].loss  # 10,000 honest steps
    assert loss_deviations(near_zero * 1.01, near_zero, "float64") > BOUNDS["float64"].loss
    assert loss_deviations(usual * (1 + 2e-12), usual, "float64") > BOUNDS["float64"].loss
    assert loss_deviations(0.0, np.array(0.0), "float32") == 0


def test_gradients_have_room_where_a_loss_nears_zero_and_nowhere_else():
    bounds = BOUNDS["float32"]
    assert step_bounds(bounds, "float32", 10.0, 2.3, 0.01) == bounds
    assert step_bounds(bounds, "float32", 10.0, least_loss("float32") / 8, 0.01).gradient == 8 * bounds.gradient


def test_narrow_outputs_pass_their_share_on_to_loss_and_gradients():
    bounds = BOUNDS["bfloat16"]
    found = step_bounds(bounds, "bfloat16", 20.0, 2.3, 0.01)
    assert found.loss == 20 * bounds.outputs
    assert found.gradient == bounds.gradient + found.loss
    assert (found.weights, found.outputs) == (bounds.weights, bounds.outputs)
    assert step_bounds(bounds, "bfloat16", 0.1, 2.3, 0.01).loss == bounds.loss


def test_weights_are_off_by_what_the_gradients_may_be_off_by():
    assert step_bounds(BOUNDS["float16"], "float16", 0.1, 2.3, 0.1).weights == pytest.approx(0.1 * 3 * 2**-5, rel=0.01)


@pytest.mark.parametrize("count", [100, 1_000, 100_000])
def test_a_sum_is_compared_to_its_terms_where_they_cancel(count):
    terms = np.random.default_rng(0).normal(size=count)
    scale = gradient_scale(abs(terms.sum()), abs(terms).sum())
    assert scale > np.sqrt(count) / 20  # grows as rounding does
    assert gradient_scale(count, count) == count


@pytest.mark.parametrize("dtype", BOUNDS)
def test_outputs_that_know_nothing_of_the_image_are_beyond_the_bound_where_images_share_little(dtype):
    assert outputs_bound(BOUNDS[dtype], dtype, 1.0, 2.0, 2.0) < 0.1


def test_what_all_images_share_of_an_output_is_rounded_too():
    bounds = BOUNDS["bfloat16"]
    assert outputs_bound(bounds, "bfloat16", 1e-4, 1e-3, 1e-2) > 0.5
    assert outputs_bound(bounds, "bfloat16", 1.0, 1e-3, 1e-2) == bounds.outputs


def test_a_gradient_s_bound_grows_with_the_root_of_its_terms():
    bounds = BOUNDS["float32"]
    assert summed_bound(bounds, "float32", 100 * 100) == bounds.gradient
    assert summed_bound(bounds, "float32", 4_000_000) == 2 * summed_bound(bounds, "float32", 1_000_000)
    assert summed_bound(BOUNDS["float64"], "float64", 1_000_000) == BOUNDS["float64"].gradient


@pytest.mark.parametrize(
    ("dtype", "batch_size", "bound", "parameter"),
    [
        ("float32", 1000, 1e-2, 3e-2),
        ("float32", 100, 1e-2, 3e-2),
        ("float32", 50, 2e-2, 6e-2),
        ("float32", 1, 0.05, 0.15),
        ("float64", 1, 1e-9, 1e-9),
        ("bfloat16", 1, 0.3, 0.5),
    ],
)
def test_what_steps_moved_may_be_off_by_more_in_small_batches_and_the_length_may_not(
    dtype, batch_size, bound, parameter
):
    found = replay_bounds(dtype, batch_size)
    assert (found.all, found.parameter) == pytest.approx((bound, parameter))
    assert found.scale == REPLAY_BOUNDS[dtype].scale
