"""The oracle's training steps against updates written from the publications, on gradients by central differences."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from adapters.declaration import SGD, Activation, Adam, Dense, Flatten, Model, Recipe
from adapters.numpy import NumpyAdapter

MODEL = Model("small", (Flatten(), Dense(3), Activation("tanh"), Dense(4)), (1, 2, 2))
RATES = (0.1, 0.1, 0.05, 0.025)  # a schedule: the rate must not sit inside the momentum buffer
STEPS = len(RATES)


def loss(weights, images, labels):
    """Cross entropy in loops over Python floats."""
    total = 0.0
    for image, label in zip(images, labels, strict=True):
        x = [float(pixel) for pixel in image.ravel()]
        for name, squash in (("dense1", math.tanh), ("dense2", lambda value: value)):
            kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            x = [
                squash(sum(v * float(kernel[i, j]) for i, v in enumerate(x)) + float(bias[j])) for j in range(len(bias))
            ]
        total += math.log(sum(math.exp(value) for value in x)) - x[label]
    return total / len(labels)


def slope(weights, name, index, images, labels, step=1e-6):
    values = []
    for change in (step, -step):
        moved = {key: array.copy() for key, array in weights.items()}
        moved[name][index] += change
        values.append(loss(moved, images, labels))
    return (values[0] - values[1]) / (2 * step)


def momentum(state, w, g, rate, t, mu=0.0, nesterov=False):
    """Sutskever et al. 2013, in the form of PyTorch's documentation with dampening 0."""
    v = state["v"] = mu * state.get("v", 0.0) + g
    return w - rate * (g + mu * v if nesterov else v)


def adam(state, w, g, rate, t, beta1, beta2, epsilon):
    """Kingma and Ba 2015, algorithm 1, line by line."""
    m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - rate * m_hat / (math.sqrt(v_hat) + epsilon)


def declared_adam(optimiser):
    return partial(adam, beta1=optimiser.beta1, beta2=optimiser.beta2, epsilon=optimiser.epsilon)


HEAVY, OTHER = SGD(0.1, 0.9), Adam(0.1, 0.8, 0.9, 0.1)
OPTIMISERS = {
    "sgd": (SGD(0.1), momentum),
    "momentum": (HEAVY, partial(momentum, mu=HEAVY.momentum)),
    "nesterov": (SGD(0.1, 0.9, True), partial(momentum, mu=HEAVY.momentum, nesterov=True)),
    "adam": (Adam(0.1), declared_adam(Adam())),
    "adam with other settings": (OTHER, declared_adam(OTHER)),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_steps_are_the_published_ones(name):
    declared, update = OPTIMISERS[name]
    generator = np.random.default_rng(0)
    images = generator.normal(size=(STEPS, 5, 1, 2, 2))
    labels = generator.integers(0, 4, (STEPS, 5))
    weights = {parameter.name: generator.normal(size=parameter.shape) for parameter in MODEL.parameters()}
    oracle = NumpyAdapter(Recipe("small", MODEL, declared), dtype="float64")
    oracle.set_weights(weights)
    preloaded = oracle.put(images, labels)
    states = {(key, index): {} for key, array in weights.items() for index in np.ndindex(array.shape)}
    for step, rate in enumerate(RATES):
        oracle.set_rate(rate)
        oracle.train(preloaded, step, 1)
        assert oracle.losses(preloaded)[step] == pytest.approx(loss(weights, images[step], labels[step]), rel=1e-6)
        slopes = {place: slope(weights, *place, images[step], labels[step]) for place in states}
        for (key, index), state in states.items():
            weights[key][index] = update(state, weights[key][index], slopes[key, index], rate, step + 1)
    for key, array in oracle.get_weights().items():
        np.testing.assert_allclose(array, weights[key], rtol=1e-6, atol=1e-7)
