from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import DTYPES, INPUTS, MODES, NARROW, ContractError, storage
from adapters.declaration import SGD, Activation, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from adapters.weights import initial_weights
from benchmarks.machine.imports import ROOT, _modules
from tests.frameworks.conftest import BATCH, long_of_today, precise

# Everything the language has that the published recipes do not use: strides, odd sizes, overlapping and
# incomplete windows, average pooling, sigmoid after a convolution, softmax in front of the loss.
ODD = Recipe(
    "odd",
    Model(
        "odd",
        (
            Conv2D(4, 3, stride=2, padding=1),
            Activation("sigmoid"),
            AvgPool2D(3, 2),
            Conv2D(6, 2, padding=2),
            Activation("relu"),
            MaxPool2D(3, 2),
            Flatten(),
            Dense(12),
            Activation("tanh"),
            Dense(10),
            Activation("softmax"),
        ),
    ),
    SGD(0.5, momentum=0.9, nesterov=True),
)
ALL = {**RECIPES, "odd": ODD}


def modes(adapter_class, dtype="float32", input="preloaded"):
    return [mode for mode in MODES if adapter_class.unsupported("cpu", mode, dtype, input) is None]


def test_names_itself_by_its_import_name(adapter_class, request):
    assert adapter_class.framework == request.config.getoption("--framework")
    assert adapter_class.framework in adapter_class.versions()
    assert "cpu" in adapter_class.devices()


def test_what_it_loads_of_ours_is_what_hashes_of_code_cover(adapter_class):
    target = FRAMEWORKS[adapter_class.framework].adapter
    program = f"import sys; from adapters.registry import load; load({target!r}); print(*sys.modules)"
    line = [sys.executable, "-c", program]
    loaded = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    ours = {name for name in loaded if name.partition(".")[0] in ("adapters", "benchmarks")}
    assert ours - {"adapters.registry"} == _modules(target.partition(":")[0]).keys()


def test_every_combination_runs_or_has_a_reason(adapter_class):
    for mode in MODES:
        for dtype in DTYPES:
            reason = adapter_class.unsupported("cpu", mode, dtype)
            assert reason is None or len(reason) > 10
            if reason:
                with pytest.raises(ValueError, match=reason[:20]):
                    adapter_class(RECIPES["linear"], "cpu", mode, dtype)
    assert modes(adapter_class)


def test_recommends_a_mode_it_has(adapter_class):
    for recipe in RECIPES.values():
        for input in INPUTS:
            recommended = adapter_class.recommended_mode(recipe.model, "cpu", input)
            assert recommended in modes(adapter_class, input=input)


@pytest.mark.parametrize("name", ALL)
def test_weights_come_back_as_they_went_in(adapter_class, name):
    recipe = ALL[name]
    for mode in modes(adapter_class):
        adapter = adapter_class(recipe, "cpu", mode, "float32")
        weights = initial_weights(recipe.model, recipe.initialiser, 3)
        adapter.set_weights(weights)
        found = adapter.get_weights()
        assert list(found) == list(weights)
        for parameter in weights:
            np.testing.assert_array_equal(found[parameter], weights[parameter].astype(np.float32))


def test_refuses_a_network_that_is_not_the_declared_one(adapter_class):
    recipe = RECIPES["mlp"]

    class OneUnitMore(adapter_class):
        def build(self):
            declared = self.recipe
            layers = (*declared.model.layers[:-1], Dense(11))
            self.recipe = replace(declared, model=replace(declared.model, layers=layers))
            super().build()
            wrong = self.get_weights()
            self.recipe = declared
            self.get_weights = lambda: wrong

    with pytest.raises(ContractError, match="declares"):
        OneUnitMore(recipe, "cpu", modes(adapter_class)[0], "float32")


@pytest.mark.parametrize("name", [long_of_today(name) for name in ALL])
def test_outputs_equal_the_oracle_s(adapter_class, oracle_class, made, digits, name):
    images, labels = digits(3, BATCH, "float64", seed=5)
    oracle = made(oracle_class, ALL[name])
    starts = [initial_weights(ALL[name].model, ALL[name].initialiser, seed) for seed in (1, 2)]
    for mode in modes(adapter_class):
        adapter = made(adapter_class, ALL[name], mode, "float32")
        preloaded = adapter.put(images.astype("float32"), labels)
        for weights in starts:  # the second after an evaluation, which may keep something of the first
            oracle.set_weights(weights)
            expected = oracle.fetch(oracle.evaluate(oracle.put(images, labels), 0, 3))
            adapter.set_weights(weights)
            outputs = adapter.evaluate(preloaded, 0, 3)
            adapter.synchronise(outputs)
            found = adapter.fetch(outputs)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=mode)


def test_evaluates_only_the_batches_asked_for(adapter_class, made, digits):
    for mode in modes(adapter_class):
        adapter = made(adapter_class, RECIPES["mlp"], mode, "float32")
        preloaded = adapter.put(*digits(4, BATCH, "float32"))
        whole = adapter.fetch(adapter.evaluate(preloaded, 0, 4))
        np.testing.assert_array_equal(adapter.fetch(adapter.evaluate(preloaded, 1, 2)), whole[BATCH : 3 * BATCH])


def test_outputs_are_good_as_long_as_somebody_holds_them(adapter_class, made, digits):
    for mode in modes(adapter_class):
        adapter = made(adapter_class, RECIPES["mlp"], mode, "float32")
        preloaded = adapter.put(*digits(4, BATCH, "float32"))
        expected = adapter.fetch(adapter.evaluate(preloaded, 0, 4))
        pending = [adapter.evaluate(preloaded, 0, 4) for _ in range(2)]
        adapter.train(preloaded, 0, 3)
        later = adapter.evaluate(preloaded, 0, 4)
        adapter.synchronise([*pending, later])
        for outputs in pending:
            np.testing.assert_array_equal(adapter.fetch(outputs), expected, err_msg=mode)
        assert (adapter.fetch(later) != expected).any(), mode


def test_training_wraps_round_and_remembers_losses_by_batch(adapter_class, made, digits):
    for mode in modes(adapter_class):
        adapter = made(adapter_class, RECIPES["mlp"], mode)
        preloaded = adapter.put(*digits(4, BATCH, precise(adapter_class)))
        adapter.train(preloaded, 0, 2)
        first = adapter.losses(preloaded)
        assert np.isfinite(first).tolist() == [True, True, False, False], mode
        adapter.train(preloaded, 2, 4)
        second = adapter.losses(preloaded)
        assert np.isfinite(second).all(), mode
        assert (second[:2] != first[:2]).all(), mode


def test_setting_weights_forgets_the_optimiser_s_state(adapter_class, made, digits):
    for name in ("lenet5", "odd"):
        for mode in modes(adapter_class):
            adapter = made(adapter_class, ALL[name], mode)
            preloaded = adapter.put(*digits(3, BATCH, precise(adapter_class)))
            losses = []
            for _ in range(2):
                adapter.set_weights(initial_weights(ALL[name].model, ALL[name].initialiser, 1))
                adapter.train(preloaded, 0, 3)
                losses.append(adapter.losses(preloaded))
            np.testing.assert_array_equal(*losses, err_msg=f"{name} {mode}")


def test_a_snapshot_holds_the_weights_of_its_moment(adapter_class, made, digits):
    for mode in modes(adapter_class):
        whole, half = (made(adapter_class, RECIPES["lenet5"], mode) for _ in range(2))
        batches = digits(4, BATCH, precise(adapter_class))
        preloaded = whole.put(*batches)
        whole.train(preloaded, 0, 2)
        fetch = whole.snapshot()
        whole.train(preloaded, 2, 2)
        half.train(half.put(*batches), 0, 2)
        later, expected = whole.get_weights(), half.get_weights()
        for name, array in fetch().items():
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-14, err_msg=f"{mode} {name}")
            assert not np.array_equal(array, later[name]), (mode, name)


def test_a_new_rate_counts_from_the_next_step(adapter_class, made, digits):
    for mode in modes(adapter_class):
        adapter = made(adapter_class, RECIPES["mlp"], mode)
        preloaded = adapter.put(*digits(3, BATCH, precise(adapter_class)))
        adapter.train(preloaded, 0, 1)
        before = adapter.get_weights()
        adapter.set_rate(0.0)
        adapter.train(preloaded, 1, 2)
        for name, array in adapter.get_weights().items():
            np.testing.assert_array_equal(array, before[name], err_msg=f"{mode} {name}")


def test_takes_batches_of_another_size_in_between(adapter_class, oracle_class, made, digits):
    whole, rest = digits(2, BATCH, "float64"), digits(1, 1, "float64", seed=8)  # a compiler may drop loops of one
    bound = {"float64": 1e-12, "float32": 1e-5}[precise(adapter_class)]

    def losses(adapter):
        found = []
        for images, labels in (whole, rest, whole):
            preloaded = adapter.put(images.astype(adapter.dtype), labels)
            adapter.train(preloaded, 0, preloaded.steps)
            found += list(adapter.losses(preloaded))
        return found

    expected = losses(made(oracle_class, RECIPES["mlp"]))
    for mode in modes(adapter_class):
        np.testing.assert_allclose(
            losses(made(adapter_class, RECIPES["mlp"], mode)), expected, rtol=bound, err_msg=mode
        )


def test_has_the_name_of_its_record(adapter_class, request):
    assert adapter_class.framework == request.config.getoption("--framework")


def test_says_where_the_parameters_are(adapter_class, made):
    assert made(adapter_class, RECIPES["mlp"], modes(adapter_class)[0]).placement() == "cpu"


def test_copies_follow_one_another_and_are_right(adapter_class, made):
    array = np.random.default_rng(0).standard_normal(1000).astype("float32")
    adapter = made(adapter_class, RECIPES["linear"], modes(adapter_class)[0], "float32")
    work = adapter.copies(array)
    for count in (1, 2, 5, 1):
        pending = work(count)
        adapter.synchronise(pending)
        np.testing.assert_array_equal(adapter.fetch(pending), array * (-1) ** count)


def test_a_processor_s_clock_is_the_wall_s(adapter_class, made):
    assert made(adapter_class, RECIPES["linear"], modes(adapter_class)[0]).timer() is None


def runs(adapter_class, dtype):
    """Return the modes that a dtype has; where there are none, every mode has to say so, as a test above holds."""
    if not (found := modes(adapter_class, dtype)):
        pytest.skip(f"its adapter says: {adapter_class.unsupported('cpu', MODES[0], dtype)}")
    return found


def test_every_framework_has_float32_and_float64_or_says_why_not(adapter_class):
    assert modes(adapter_class, "float32")
    assert modes(adapter_class, "float64") or "float64" in adapter_class.unsupported("cpu", "eager", "float64")


def test_no_cpu_has_tf32(adapter_class):
    assert not modes(adapter_class, "tf32")


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_precisions_round_what_is_multiplied_and_store_float32(adapter_class, oracle_class, made, digits, dtype):
    recipe, epsilon = replace(ODD, optimiser=SGD(0.5)), {"bfloat16": 2.0**-7, "float16": 2.0**-10}[dtype]
    images, labels = digits(3, BATCH, "float64", seed=5)
    oracle = made(oracle_class, recipe)
    reference = oracle.put(images, labels)
    expected = oracle.fetch(oracle.evaluate(reference, 0, 3))
    slopes = oracle.gradients(reference, 1)
    oracle.train(reference, 0, 2)
    for mode in runs(adapter_class, dtype):
        adapter = made(adapter_class, recipe, mode, dtype)
        assert (adapter.precision, adapter.dtype) == (dtype, "float32")
        preloaded = adapter.put(images.astype("float32"), labels)
        outputs = adapter.fetch(adapter.evaluate(preloaded, 0, 3))
        assert outputs.dtype == np.float32
        assert epsilon / 1000 < np.abs(outputs - expected).max() < epsilon, mode
        gradients = adapter.gradients(preloaded, 1)
        adapter.train(preloaded, 0, 2)
        np.testing.assert_allclose(adapter.losses(preloaded)[:2], oracle.losses(reference)[:2], rtol=epsilon)
        for name, weight in adapter.get_weights().items():
            assert weight.dtype == gradients[name].dtype == np.float32
            assert np.linalg.norm(gradients[name] - slopes[name]) < 0.25 * np.linalg.norm(slopes[name]), (mode, name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_follow_one_another_and_are_right(adapter_class, made, dtype):
    generator = np.random.default_rng(0)
    mode, stored = runs(adapter_class, dtype)[0], storage(dtype)
    left, right = (generator.standard_normal((33, 33)).astype(stored) / 6 for _ in range(2))
    adapter = made(adapter_class, RECIPES["linear"], mode, dtype)
    work = adapter.products(left, right)
    for count in (1, 2, 5, 1):  # in the end one again: each call begins with `left`
        pending = work(count)
        adapter.synchronise(pending)
        found = adapter.fetch(pending)
        assert found.dtype == stored
        expected = left.astype("float64") @ np.linalg.matrix_power(right.astype("float64"), count)
        bound = {"float32": 1e-5, "float64": 1e-13, "bfloat16": 3e-2, "float16": 4e-3}[dtype]
        np.testing.assert_allclose(found, expected, atol=bound, rtol=bound, err_msg=f"{count} products")
        if dtype in NARROW:
            assert np.abs(found - expected).max() > bound / 1000
