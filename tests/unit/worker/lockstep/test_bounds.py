from __future__ import annotations

from dataclasses import asdict

import pytest

from adapters.registry import ADAPTERS
from benchmarks.worker.lockstep.bounds import BOUNDS, WIDER, bounds_of


@pytest.mark.parametrize("wider", WIDER, ids=lambda wider: f"{wider.framework} {wider.dtype} {wider.kind}")
def test_a_wider_bound_is_at_most_ten_times_and_has_its_reason(wider):
    usual = asdict(BOUNDS[wider.dtype])[wider.kind]
    assert usual < wider.bound <= 10 * usual
    assert wider.dtype != "float64"
    assert wider.framework in ADAPTERS
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
