"""Each framework's own files, in this process: every declared layer, any batch, the same outputs as the adapter's.

That they load in a process that knows nothing of this project is tests/sweeps/test_train.py's to show.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest

from adapters.declaration import Activation, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Model, layers
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from tests.frameworks import test_modern

EVERY = Model(
    "every_layer",
    (
        *(Conv2D(4, 5, padding=2), Activation("relu"), AvgPool2D(2, 2), Conv2D(6, 3, stride=2), Activation("tanh")),
        *(MaxPool2D(3, 1), Flatten(), Dense(12), Activation("sigmoid"), Dense(10), Activation("softmax")),
    ),
)


def compare(adapter_class, folder, recipe, weights, images):
    """Hold what every format computes of images (N, C, H, W) to what the adapter computes."""
    native = importlib.import_module(f"adapters.{adapter_class.framework}.native")
    model = recipe.model
    adapter = adapter_class(recipe, "cpu", "eager", "float32")
    adapter.set_weights(weights)
    preloaded = adapter.put(images[None], np.zeros((1, len(images)), np.int64))
    expected = adapter.fetch(adapter.evaluate(preloaded, 0, 1))
    try:
        native.write(layers(model), weights, folder, model.name)
    except ValueError as error:
        if recipe in test_modern.RECIPES.values():
            pytest.skip(f"its adapter says: {error}")
        raise
    for form in native.FORMATS:
        network = native.load(form, layers(model), folder, model.name)
        for some in (slice(0, 5), slice(0, 1)):
            np.testing.assert_allclose(network(images[some]), expected[some], rtol=1e-4, atol=1e-5, err_msg=form)


@pytest.mark.parametrize("name", test_modern.RECIPES)
def test_own_files_hold_the_layers_of_today_s_networks(adapter_class, tmp_path, name):
    recipe = test_modern.RECIPES[name]
    weights = {key: array.astype(np.float32) for key, array in test_modern.beginning(recipe).items()}
    images = test_modern.batches(recipe.model)[0][0, :5].astype(np.float32)
    compare(adapter_class, tmp_path, recipe, weights, images)


@pytest.mark.parametrize("model", [RECIPES["lenet"].model, RECIPES["linear"].model, EVERY], ids=lambda m: m.name)
def test_own_files_compute_what_the_adapter_computes(adapter_class, tmp_path, model):
    generator = np.random.default_rng(0)
    loss = "cross_entropy" if model.outputs == 10 else "mean_squared_error"
    recipe = replace(RECIPES["lenet"], model=model, loss=loss)
    weights = initial_weights(model, recipe.initialiser, 0)
    for name, array in weights.items():
        noise = generator.random(array.shape) if name.endswith(".bias") else 0.0  # more would saturate every tanh
        weights[name] = (array + 0.1 * noise).astype(np.float32)
    images = generator.random((5, 1, 28, 28)).astype(np.float32)
    compare(adapter_class, tmp_path, recipe, weights, images)
