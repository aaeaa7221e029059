"""Initial weights, made once in NumPy so that every framework starts from the same numbers; and arrays for layers.

The first are drawn in float64 and rounded once to float32: every dtype can then hold the same start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.declaration import Initialiser, Model, Shape

Weights = dict[str, npt.NDArray[np.floating]]


class Arrays:
    """What layers take one after another: parameters, and of a BatchNorm its statistics in an evaluation.

    In training there are none to take, and `found` gets the batch's mean and variance instead.
    """

    def __init__(self, parameters: Sequence[Any], statistics: Sequence[Any] | None) -> None:
        self.parameters = iter(parameters)
        self.statistics = None if statistics is None else iter(statistics)
        self.found: list[Any] = []


def _fans(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight in the canonical layout; a kernel's area counts in both."""
    if len(shape) == 2:
        return shape[0], shape[1]
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def _draw(generator: np.random.Generator, initialiser: Initialiser, shape: Shape) -> npt.NDArray[np.float64]:
    """Return one float64 weight array. Sources: Glorot & Bengio 2010 (uniform), He et al. 2015."""
    fan_in, fan_out = _fans(shape)
    match initialiser.distribution:
        case "glorot_uniform":
            limit = math.sqrt(6.0 / (fan_in + fan_out))
        case "he_uniform":
            limit = math.sqrt(6.0 / fan_in)
        case "uniform":
            limit = initialiser.scale
        case "he_normal":
            return generator.normal(0.0, math.sqrt(2.0 / fan_in), shape)
        case _:
            return generator.normal(0.0, initialiser.scale, shape)
    return generator.uniform(-limit, limit, shape)


def initial_weights(model: Model, initialiser: Initialiser, seed: int) -> Weights:
    """Return all of the model's arrays as they begin, by name: float64 arrays of float32 values."""
    generator = np.random.default_rng(seed)
    weights: Weights = {}
    for parameter in model.arrays():
        if parameter.start == "drawn":
            drawn = _draw(generator, initialiser, parameter.shape)
        else:
            drawn = np.full(parameter.shape, float(parameter.start == "one"))
        weights[parameter.name] = drawn.astype(np.float32).astype(np.float64)
    return weights
