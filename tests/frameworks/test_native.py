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

EVERY = Model(
    "every_layer",
    (
        *(Conv2D(4, 5, padding=2), Activation("relu"), AvgPool2D(2, 2), Conv2D(6, 3, stride=2), Activation("tanh")),
        *(MaxPool2D(3, 1), Flatten(), Dense(12), Activation("sigmoid"), Dense(10), Activation("softmax")),
    ),
)


@pytest.mark.parametrize("model", [RECIPES["lenet"].model, RECIPES["linear"].model, EVERY], ids=lambda m: m.name)
def test_own_files_compute_what_the_adapter_computes(adapter_class, tmp_path, model):
    native = importlib.import_module(f"adapters.{adapter_class.framework}.native")
    generator = np.random.default_rng(0)
    loss = "cross_entropy" if model.outputs == 10 else "mean_squared_error"
    recipe = replace(RECIPES["lenet"], model=model, loss=loss)
    weights = initial_weights(model, recipe.initialiser, 0)
    for name, array in weights.items():
        noise = generator.random(array.shape) if name.endswith(".bias") else 0.0  # more would saturate every tanh
        weights[name] = (array + 0.1 * noise).astype(np.float32)
    images = generator.random((5, 1, 28, 28)).astype(np.float32)
    adapter = adapter_class(recipe, "cpu", "eager", "float32")
    adapter.set_weights(weights)
    preloaded = adapter.put(images[None], np.zeros((1, 5), np.int64))
    expected = adapter.fetch(adapter.evaluate(preloaded, 0, 1))
    native.write(layers(model), weights, tmp_path, model.name)
    for form in native.FORMATS:
        network = native.load(form, layers(model), tmp_path, model.name)
        for some in (slice(0, 5), slice(0, 1)):
            np.testing.assert_allclose(network(images[some]), expected[some], rtol=1e-4, atol=1e-5, err_msg=form)
