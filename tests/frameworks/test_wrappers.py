"""What trains by a wrapper's own loop is held to the reference, where the framework's environment serves the wrapper.

`--framework torch@keras-fit` tests that one in an environment of its own.
"""

from __future__ import annotations

import numpy as np
import pytest

from adapters.contract import DTYPES, INPUTS, MODES, Adapter, Unsupported
from adapters.declaration import SGD, Activation, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe
from adapters.recipes import RECIPES
from adapters.registry import WRAPPERS, environment_of, load, record
from adapters.weights import initial_weights
from tests.frameworks.conftest import BATCH, precise

CHAIN = Recipe(
    "chain",
    Model(
        "chain",
        (
            Conv2D(4, 3, stride=2, padding=1),
            Activation("sigmoid"),
            AvgPool2D(3, 2),
            Conv2D(6, 3, padding=1),
            Activation("relu"),
            MaxPool2D(2, 2),
            Flatten(),
            Dense(12),
            Activation("tanh"),
            Dense(10),
        ),
    ),
    SGD(0.5, momentum=0.9, nesterov=True),
)


@pytest.fixture(scope="session")
def wrapper(request, arm):
    """A wrapper that this environment serves."""
    found = load(record(arm).adapter)
    found.set_threads(2)
    return found


def pytest_generate_tests(metafunc):
    if "arm" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--framework")
        arms = [arm for arm in WRAPPERS if asked in (arm, environment_of(arm))]
        metafunc.parametrize("arm", arms, scope="session")


def modes(cls: type[Adapter]) -> list[str]:
    return [mode for mode in MODES if cls.unsupported("cpu", mode, "float32") is None]


@pytest.mark.parametrize("recipe", [RECIPES["mlp"], RECIPES["linear"], CHAIN], ids=lambda recipe: recipe.name)
def test_trains_as_the_reference_does_from_any_batch_on_and_round_the_last(wrapper, oracle_class, made, digits, recipe):
    images, labels = digits(4, BATCH, "float64")
    oracle = made(oracle_class, recipe)
    for mode in modes(wrapper):
        adapter, expected = made(wrapper, recipe, mode), oracle.put(images, labels)
        bound = {"float64": 1e-7, "float32": 1e-3}[adapter.dtype]
        preloaded = adapter.put(images.astype(adapter.dtype), labels)
        for start, calls in ((1, [(0, 2)]), (2, [(1, 1), (2, 3)]), (1, [(3, 9)])):
            for network in (adapter, oracle):
                network.set_weights(initial_weights(recipe.model, recipe.initialiser, start))
            slopes = adapter.gradients(preloaded, 2), oracle.gradients(expected, 2)
            for first, count in calls:
                adapter.train(preloaded, first, count)
                oracle.train(expected, first, count)
            adapter.synchronise()
            seen = np.isfinite(oracle.losses(expected))
            np.testing.assert_allclose(
                adapter.losses(preloaded)[seen], oracle.losses(expected)[seen], rtol=bound, err_msg=mode
            )
            for found, wanted in ((adapter.get_weights(), oracle.get_weights()), slopes):
                for name, array in wanted.items():
                    np.testing.assert_allclose(found[name], array, rtol=bound, atol=bound, err_msg=f"{mode} {name}")


def test_evaluates_as_the_reference_does_and_moves_nothing(wrapper, oracle_class, made, digits):
    images, labels = digits(3, BATCH, "float64", seed=5)
    oracle = made(oracle_class, CHAIN)
    expected = oracle.fetch(oracle.evaluate(oracle.put(images, labels), 1, 2))
    for mode in modes(wrapper):
        adapter = made(wrapper, CHAIN, mode, "float32")
        preloaded = adapter.put(images.astype("float32"), labels)
        before = adapter.get_weights()
        pending = adapter.evaluate(preloaded, 1, 2)
        adapter.train(preloaded, 0, 1)
        np.testing.assert_allclose(adapter.fetch(pending), expected, rtol=1e-4, atol=1e-4, err_msg=mode)
        adapter.set_weights(before)
        adapter.evaluate(preloaded, 0, 3)
        for name, array in adapter.get_weights().items():
            np.testing.assert_array_equal(array, before[name], err_msg=f"{mode} {name}")


def test_what_it_cannot_build_is_unsupported_in_a_sentence(wrapper, arm):
    for name in {"keras-fit": ["lstm", "mobile"], "trainer": ["vit"]}.get(arm.partition("@")[2], []):
        with pytest.raises(Unsupported, match=r"not for|has no"):
            wrapper(RECIPES[name], "cpu", modes(wrapper)[0], "float32")


def test_a_new_rate_counts_from_the_next_step(wrapper, made, digits):
    for mode in modes(wrapper):
        adapter = made(wrapper, RECIPES["mlp"], mode)
        preloaded = adapter.put(*digits(3, BATCH, precise(wrapper)))
        adapter.train(preloaded, 0, 1)
        before = adapter.get_weights()
        adapter.set_rate(0.0)
        adapter.train(preloaded, 1, 2)
        for name, array in adapter.get_weights().items():
            np.testing.assert_array_equal(array, before[name], err_msg=f"{mode} {name}")


def test_every_combination_runs_or_has_a_reason(wrapper):
    for mode in MODES:
        for dtype in DTYPES:
            for input in INPUTS:
                reason = wrapper.unsupported("cpu", mode, dtype, input)
                assert reason is None or len(reason) > 10
            if reason := wrapper.unsupported("cpu", mode, dtype):
                with pytest.raises(ValueError, match=reason[:20]):
                    wrapper(RECIPES["linear"], "cpu", mode, dtype)
    assert wrapper.recommended_mode(RECIPES["mlp"].model, "cpu") in modes(wrapper)
    assert wrapper.unsupported("gpu", modes(wrapper)[0], "float32")


def test_says_what_it_wraps_and_by_what(wrapper, arm, made):
    versions = wrapper.versions()
    assert wrapper.framework == arm.partition("@")[0]
    assert wrapper.framework in versions
    for package in WRAPPERS[arm].packages:
        name, _, version = package.partition("==")
        assert versions[name] == version
    assert made(wrapper, RECIPES["linear"], modes(wrapper)[0]).placement() == "cpu"
