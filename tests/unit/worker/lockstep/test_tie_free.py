from __future__ import annotations

import numpy as np
import pytest

from adapters.declaration import SGD, Activation, AvgPool2D, BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe
from adapters.numpy import NumpyAdapter
from adapters.weights import initial_weights
from benchmarks.worker.lockstep.reference import _tie_free, at_places, single_steps, tie_free_batches


def built(*layers, image=(1, 2, 2), **weights):
    adapter = NumpyAdapter(Recipe("small", Model("small", layers, image), SGD(0.1)), dtype="float64")
    adapter.set_weights({**adapter.get_weights(), **{name.replace("_", "."): w for name, w in weights.items()}})
    return adapter


def images(*pixels):
    return np.array(pixels, float).reshape(len(pixels), 1, 2, 2)


RELU = built(Flatten(), Dense(1), Activation("relu"), Dense(10), dense1_weight=np.array([[1.0], [-1], [0], [0]]))
POOL = built(MaxPool2D(2, 2), Flatten(), Dense(10))


@pytest.mark.parametrize(
    ("adapter", "pixels", "expected"),
    [
        (RELU, (1, 1 + 1e-8, 0, 0), False),  # 1e-8 beside terms of 1: float32 cannot tell the sign
        (RELU, (1, 1 + 1e-5, 0, 0), True),
        (RELU, (1e-8, 0, 0, 0), True),  # small, but so are its terms
        (RELU, (1, 1, 0, 0), True),  # a tie, not a doubt
        (POOL, (1, 0.5, 1, 0), True),
        (POOL, (0, 0, 0, 0), True),
    ],
)
def test_a_sample_is_unsure_where_rounding_may_change_a_sign(adapter, pixels, expected):
    assert _tie_free(adapter, images(pixels, (3, 1, 0, 2))).tolist() == [expected, True]


def test_errors_grow_through_the_layers():
    kernel = np.array([1.0, -1, 1, -1]).reshape(1, 1, 2, 2)
    layers = (Conv2D(1, 2), Flatten(), Dense(1), Activation("relu"), Dense(10))
    adapter = built(*layers, conv1_weight=kernel, dense1_weight=np.ones((1, 1)))
    difference = 1e-8  # exact as the dense layer sees it, but the convolution made it of terms of 1
    assert not _tie_free(adapter, images((1 + difference, 1, 1, 1)))[0]
    adapter = built(*layers, conv1_weight=np.abs(kernel), dense1_weight=np.ones((1, 1)))
    assert _tie_free(adapter, images((difference, 0, 0, 0)))[0]


def test_two_values_of_a_window_next_to_each_other_are_unsure_and_a_mean_is_not():
    weight = np.full((1, 1, 1, 1), 0.1)
    for pool, expected in ((MaxPool2D(2, 2), False), (AvgPool2D(2, 2), True)):
        adapter = built(Conv2D(1, 1), pool, Flatten(), Dense(10), conv1_weight=weight)
        assert _tie_free(adapter, images((1, 1 + 1e-9, 0, 0)))[0] == expected


def test_batches_are_the_sure_samples_in_order_and_others_only_where_these_run_out():
    doubtful, clear = (1, 1 + 1e-8, 0, 0), [(n, 0, 0, 0) for n in range(2, 12)]
    candidates = images(doubtful, clear[0], clear[1], doubtful, clear[2], clear[3], clear[4], clear[5])
    stacked = candidates.reshape(4, 2, 1, 2, 2)
    labels = np.arange(8).reshape(4, 2)
    adapter = built(
        Flatten(), Dense(1), Activation("relu"), Dense(10), dense1_weight=RELU.get_weights()["dense1.weight"]
    )
    places, sure = tie_free_batches(adapter, stacked, labels, 2)
    assert sure.all()
    assert places.tolist() == [[1, 2], [4, 5]]
    chosen, digits = at_places(stacked, labels, places)
    np.testing.assert_array_equal(chosen[0], candidates[1:3])
    np.testing.assert_array_equal(digits, places)  # its labels are numbered
    assert adapter.step_count == 2
    few = images(doubtful, doubtful, clear[0], clear[1]).reshape(2, 2, 1, 2, 2)
    places, sure = tie_free_batches(RELU, few, labels[:2], 2)
    assert places.tolist() == [[0, 1], [2, 3]]
    assert sure.tolist() == [False, True]


def test_no_batch_of_a_batch_norm_is_sure_and_what_rounding_does_to_it_is_known():
    adapter = built(Flatten(), Dense(3, bias=False), BatchNorm(), Activation("relu"), Dense(10))
    adapter.set_weights(initial_weights(adapter.recipe.model, adapter.recipe.initialiser, 0))
    drawn = np.random.default_rng(0).random((2, 8, 1, 2, 2))
    labels = np.arange(16).reshape(2, 8) % 10
    _, sure = tie_free_batches(adapter, drawn, labels, 1)
    assert sure.tolist() == [False]
    start = initial_weights(adapter.recipe.model, adapter.recipe.initialiser, 0)
    for surely in (True, False):
        [step] = single_steps(adapter.recipe, start, drawn[:1], labels[:1], np.array([surely]))
        assert list(step.sway) == ([] if surely else ["loss", "statistics", *step.gradients, "all"])
        assert all(0 < sway < 1e-3 for sway in step.sway.values())
