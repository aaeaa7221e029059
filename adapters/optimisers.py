"""The declared update as formulas, for frameworks that compile it with the rest of a step: jax and tensorflow.

Keras's own differ in momentum's rate and Adam's epsilon. A state is a list of slots, each a list of arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adapters.contract import Array
from adapters.declaration import SGD, Adam, Optimiser

Slots = list[list[Any]]


def start(optimiser: Optimiser, parameters: list[Array]) -> Slots:
    """Return the state before the first step: zeros beside each parameter, and for Adam the number of steps taken."""
    zeros = [np.zeros_like(parameter) for parameter in parameters]
    match optimiser:
        case SGD(momentum=0.0):
            return []
        case SGD():
            return [zeros]
        case Adam():
            return [zeros, zeros, [np.zeros((), parameters[0].dtype)]]  # first moments, second moments, steps


def updates(
    optimiser: Optimiser, parameters: list[Any], gradients: list[Any], state: Slots, rate: Any, maths: Any
) -> tuple[list[Any], Slots]:
    """Return (what to subtract from each parameter, the new state); `maths` has expm1 and sqrt. No array is changed."""
    match optimiser:
        case SGD(momentum=0.0):
            return [rate * g for g in gradients], state
        case SGD(_, momentum, nesterov):
            velocity = [momentum * v + g for v, g in zip(state[0], gradients, strict=True)]
            if nesterov:
                return [rate * (g + momentum * v) for v, g in zip(velocity, gradients, strict=True)], [velocity]
            return [rate * v for v in velocity], [velocity]
        case Adam(_, beta1, beta2, epsilon, decay):
            first = [beta1 * m + (1 - beta1) * g for m, g in zip(state[0], gradients, strict=True)]
            second = [beta2 * v + (1 - beta2) * g * g for v, g in zip(state[1], gradients, strict=True)]
            step = state[2][0] + 1
            # 1 - beta^t without the cancellation that costs float32 half its digits at small t
            correction1, correction2 = -maths.expm1(step * math.log(beta1)), -maths.expm1(step * math.log(beta2))
            change = [
                rate * (m / correction1) / (maths.sqrt(v / correction2) + epsilon)
                for m, v in zip(first, second, strict=True)
            ]
            if decay:
                change = [c + rate * decay * w for c, w in zip(change, parameters, strict=True)]
            return change, [first, second, [step]]
