"""The declared update in tensorflow: Keras keeps the rate inside momentum and epsilon outside Adam's hat."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from adapters.declaration import SGD, Adam, Optimiser

Variables = Sequence[tf.Variable]


def slots(optimiser: Optimiser) -> int:
    """Return how many arrays beside each parameter the optimiser keeps."""
    return 2 if isinstance(optimiser, Adam) else int(optimiser.momentum != 0.0)


def update(
    optimiser: Optimiser,
    parameters: Variables,
    arrays: Variables,
    gradients: Sequence[tf.Tensor],
    rate: tf.Tensor,
    taken: tf.Variable,
) -> None:
    """Change parameters and the optimiser's arrays, those of one parameter beside each other, by a step's gradients.

    `taken` counts the steps of Adam.
    """
    match optimiser:
        case SGD(momentum=0.0):
            for w, g in zip(parameters, gradients, strict=True):  # one operation for w.assign_sub(rate * g)
                tf.raw_ops.ResourceApplyGradientDescent(var=w.handle, alpha=rate, delta=g)
        case SGD(_, momentum, nesterov):
            for w, v, g in zip(parameters, arrays, gradients, strict=True):
                v.assign(momentum * v + g)
                w.assign_sub(rate * (g + momentum * v if nesterov else v))
        case Adam(_, beta1, beta2, epsilon):
            taken.assign_add(1)
            # 1 - beta^t without the cancellation that costs float32 half its digits at small t
            correction1 = -tf.math.expm1(taken * math.log(beta1))
            correction2 = -tf.math.expm1(taken * math.log(beta2))
            for w, m, v, g in zip(parameters, arrays[::2], arrays[1::2], gradients, strict=True):
                m.assign(beta1 * m + (1 - beta1) * g)
                v.assign(beta2 * v + (1 - beta2) * g * g)
                w.assign_sub(rate * (m / correction1) / (tf.sqrt(v / correction2) + epsilon))
