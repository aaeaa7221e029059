from __future__ import annotations

import numpy as np
import pytest

from adapters.declaration import Initialiser
from adapters.recipes import MODELS
from adapters.weights import _fans, initial_weights


def test_fans_count_a_kernel_s_area():
    assert _fans((784, 128)) == (784, 128)
    assert _fans((50, 20, 5, 5)) == (500, 1250)


@pytest.mark.parametrize(
    ("initialiser", "deviation", "limit"),
    [
        (Initialiser(), np.sqrt(2 / (784 + 128)), np.sqrt(6 / (784 + 128))),
        (Initialiser("he_uniform"), np.sqrt(2 / 784), np.sqrt(6 / 784)),
        (Initialiser("he_normal"), np.sqrt(2 / 784), np.inf),
        (Initialiser("uniform", 0.01), 0.01 / np.sqrt(3), 0.01),
        (Initialiser("normal", 0.05), 0.05, np.inf),
    ],
)
def test_distributions(initialiser, deviation, limit):
    weight = initial_weights(MODELS["mlp"], initialiser, 0)["dense1.weight"]
    assert abs(weight.std() / deviation - 1) < 0.01
    assert abs(weight.mean()) < 4 * deviation / np.sqrt(weight.size)
    assert np.abs(weight).max() <= np.float32(limit)
    if np.isfinite(limit):
        assert np.abs(weight).max() > 0.999 * limit


def test_every_dtype_can_hold_the_start():
    for array in initial_weights(MODELS["lenet"], Initialiser(), 0).values():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, array.astype(np.float32))


def test_biases_are_zero_and_seeds_differ():
    first, again, other = (initial_weights(MODELS["mlp"], Initialiser(), seed) for seed in (0, 0, 1))
    assert not first["dense1.bias"].any()
    np.testing.assert_array_equal(first["dense2.weight"], again["dense2.weight"])
    assert (first["dense2.weight"] != other["dense2.weight"]).all()
