"""Theoretical FLOPs of a declared model: the formula in one place.

One multiply-add is 2 FLOP; only convolutions and fully connected layers count in the headline figure
(MLPerf's utilisation rule, PaLM's MFU: arXiv:2204.02311, appendix B). A convolution output with its bias is
Ci*Kh*Kw multiplications, Ci*Kh*Kw - 1 additions and one bias addition: exactly 2*Ci*Kh*Kw, so the bias is in.
Backward costs the forward twice, once for the weights and once for the input, except that nobody needs the
first layer's input gradient: training = 3 * forward - forward(first counted layer).

`all_` figures add what the headline leaves out: pooling, activations, loss, optimiser. There an addition, comparison,
multiplication, division, root or transcendental function of one element is 1 FLOP, whatever it takes on a machine.

`info describe` lists what each layer of a declared model is and costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from adapters.declaration import (
    SGD,
    WEIGHTED,
    Activation,
    Adam,
    AvgPool2D,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPool2D,
    Model,
    Recipe,
    Shape,
)

Pair = tuple[int, int]  # forward, backward


@dataclass(frozen=True)
class LayerCost:
    """One row of `describe`: shapes without the batch axis, FLOPs for the whole batch."""

    layer: Layer
    weight_shape: Shape | None
    parameters: int
    output_shape: Shape
    forward_flops: int
    training_flops: int
    all_forward_flops: int
    all_training_flops: int


def _forward_flops(layer: Layer, before: Shape, after: Shape) -> int:
    """Return the FLOPs of one sample's forward pass through `layer`, from shape `before` to `after`."""
    match layer:
        case Conv2D(_, kernel):
            return 2 * math.prod(after) * before[0] * kernel * kernel
        case Dense(units):
            return 2 * before[0] * units
        case _:
            return 0


def _other_flops(layer: Layer, after: Shape) -> Pair:
    """Return what one sample's forward and backward pass cost in a layer that the headline does not count."""
    size = math.prod(after)
    match layer:
        case MaxPool2D(window, _):  # compare; add each gradient at the place of the maximum
            return size * (window**2 - 1), size
        case AvgPool2D(window, _):  # add, divide; divide, add
            return size * window**2, size * (window**2 + 1)
        case Activation("relu"):
            return size, size
        case Activation("tanh"):  # backward: dy * (1 - y * y)
            return size, 3 * size
        case Activation("sigmoid"):  # 1 / (1 + exp(-x)); dy * y * (1 - y)
            return 4 * size, 3 * size
        case Activation():  # softmax: largest, subtract, exp, sum, divide; y * (dy - sum(dy * y))
            return 5 * size - 2, 4 * size - 1
        case Conv2D() | Dense() | Flatten():
            return 0, 0


def _loss_flops(loss: str, outputs: int) -> Pair:
    """Return what one sample's loss and its gradient cost."""
    if loss == "cross_entropy":  # log-sum-exp as in softmax, minus a logit, into the mean; (softmax - label) / N
        return 4 * outputs + 1, 2 * outputs + 1
    return 3, 1  # subtract, square, into the mean; times 2/N


def _optimiser_flops(recipe: Recipe) -> int:
    """Return what one update of all parameters costs, a step."""
    match recipe.optimiser:
        case SGD(momentum=0.0):
            each = 2
        case SGD(_, _, nesterov):
            each = 6 if nesterov else 4
        case Adam():  # m 3, v 4, two corrections, root, epsilon, divide, rate, subtract
            each = 14
    return each * recipe.model.parameter_count


def step_all_flops(recipe: Recipe, batch_size: int) -> int:
    """Return everything one training step costs: layers, loss, gradients, update."""
    layers = sum(cost.all_training_flops for cost in _layer_costs(recipe.model, batch_size))
    return layers + batch_size * sum(_loss_flops(recipe.loss, recipe.model.outputs)) + _optimiser_flops(recipe)


def _layer_costs(model: Model, batch_size: int = 1) -> list[LayerCost]:
    """Return what each layer of `model` holds and costs for one batch."""
    shapes = model.shapes()
    weights = {p.layer: p.shape for p in model.parameters() if p.name.endswith(".weight")}
    first = min(weights)
    costs = []
    for index, layer in enumerate(model.layers):
        forward = batch_size * _forward_flops(layer, shapes[index], shapes[index + 1])
        training = forward * (2 if index == first else 3) if isinstance(layer, WEIGHTED) else 0
        count = sum(p.size for p in model.parameters() if p.layer == index)
        other, other_back = (batch_size * flops for flops in _other_flops(layer, shapes[index + 1]))
        if index < first:  # nobody needs a gradient there
            other_back = 0
        everything = forward + other, training + other + other_back
        costs.append(LayerCost(layer, weights.get(index), count, shapes[index + 1], forward, training, *everything))
    return costs


def model_flops(model: Model) -> tuple[int, int]:
    """Return (forward, training) FLOPs per sample."""
    costs = _layer_costs(model)
    return sum(cost.forward_flops for cost in costs), sum(cost.training_flops for cost in costs)


COUNTS = ("forward_flops", "training_flops", "all_forward_flops", "all_training_flops")


def describe(recipe: Recipe, batch_size: int) -> dict[str, Any]:
    """Return layers and totals as plain JSON values; FLOPs are for the whole batch, shapes without its axis.

    `all_training_flops` in total counts the loss and the recipe's optimiser too, which belong to no layer.
    """
    model = recipe.model
    costs = _layer_costs(model, batch_size)
    return {
        "model": model.name,
        "batch_size": batch_size,
        "input_shape": list(model.input_shape),
        "layers": [
            {
                "layer": type(cost.layer).__name__,
                "settings": {field.name: getattr(cost.layer, field.name) for field in fields(cost.layer)},
                "weight_shape": list(cost.weight_shape) if cost.weight_shape else None,
                "parameters": cost.parameters,
                "output_shape": list(cost.output_shape),
                **{name: getattr(cost, name) for name in COUNTS},
            }
            for cost in costs
        ],
        "parameters": model.parameter_count,
        **{name: sum(getattr(cost, name) for cost in costs) for name in COUNTS},
        "all_training_flops": step_all_flops(recipe, batch_size),
    }
