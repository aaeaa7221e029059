from __future__ import annotations

import numpy as np
import pytest

from benchmarks.worker.lockstep.bounds import BOUNDS, EPSILON
from benchmarks.worker.lockstep.prove import INSISTS, SHARE, PrecisionFloor


@pytest.mark.parametrize("dtype", INSISTS)
def test_what_is_nearer_than_rounded_operands_can_be_is_named(dtype):
    expected = np.ones(10)
    exactness = PrecisionFloor(dtype)
    exactness.note("gradients", expected * (1 + EPSILON[dtype] / 8), expected)
    exactness.note("gradients", expected, expected)  # one exact result of many says nothing
    assert exactness.complaint() == ""
    exactness.note("outputs", expected * (1 + EPSILON[dtype] / 100), expected)
    assert exactness.complaint().startswith(f"{dtype} outputs deviate by no more than")


@pytest.mark.parametrize("dtype", ["float32", "float64", "tf32"])
def test_nothing_is_too_exact_where_no_narrow_type_is_insisted_on(dtype):
    exactness = PrecisionFloor(dtype)
    exactness.note("gradients", np.ones(3), np.ones(3))
    assert exactness.complaint() == ""


@pytest.mark.parametrize("dtype", INSISTS)
def test_what_passes_as_float32_is_too_exact(dtype):
    assert BOUNDS["float32"].gradient < SHARE * EPSILON[dtype]
