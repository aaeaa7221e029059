"""Theoretical FLOPs of a declared model: the formula in one place.

One multiply-add is 2 FLOP; only products of matrices count in the headline figure: convolutions, fully connected
layers, attention's and an LSTM's (MLPerf's utilisation rule, PaLM's MFU: arXiv:2204.02311, appendix B). A convolution
output with its bias is Ci*Kh*Kw multiplications, Ci*Kh*Kw - 1 additions and one bias addition: exactly 2*Ci*Kh*Kw, so
the bias is in. Backward costs the forward twice, once for the weights and once for the input, except that nobody needs
the gradient of the images: of a chain, training = 3 * forward - forward(first counted layer).

`all_` figures add what the headline leaves out: pooling, activations, norms, sums, loss, optimiser. There an addition,
comparison, multiplication, division, root or transcendental function of one element is 1 FLOP, whatever it takes on a
machine.

`info describe` lists what each layer of a declared model is and costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    Adam,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    MaxPool2D,
    Model,
    Place,
    PositionEmbedding,
    Recipe,
    Residual,
    RMSNorm,
    SelfAttention,
    Shape,
)

Pair = tuple[int, int]  # forward, backward


@dataclass(frozen=True)
class LayerCost:
    """One row of `describe`: shapes without the batch axis, FLOPs for the whole batch."""

    place: Place
    weight_shape: Shape | None
    parameters: int
    forward_flops: int
    training_flops: int
    all_forward_flops: int
    all_training_flops: int


def _forward_flops(place: Place) -> Pair:
    """Return what one sample's products cost in a layer, and those of them that read its input."""
    before, after = place.before, place.after
    match place.layer:
        case Conv2D(_, kernel, groups=groups):
            products = 2 * math.prod(after) * (before[0] // groups) * kernel * kernel
            return products, products
        case Dense(units):
            products = 2 * math.prod(before) * units
            return products, products
        case SelfAttention():
            tokens, width = before
            projections = 2 * tokens * width * 3 * width
            return projections + 2 * tokens * width * width + 2 * 2 * tokens * tokens * width, projections
        case LSTM(units):
            tokens, inputs = before
            return 2 * tokens * 4 * units * (inputs + units), 2 * tokens * 4 * units * inputs
        case _:
            return 0, 0


ELEMENTWISE: dict[str, Pair] = {  # of an activation's output; softmax is a formula
    "relu": (1, 1),
    "tanh": (1, 3),  # backward: dy * (1 - y * y)
    "sigmoid": (4, 3),  # 1 / (1 + exp(-x)); dy * y * (1 - y)
    "gelu": (5, 8),  # x / sqrt(2), erf, add 1, times x / 2; dy * ((1 + erf) / 2 + x * exp(-x * x / 2) / sqrt(2 pi))
    "gelu_tanh": (9, 13),
}
GATES = 18, 21  # of an LSTM's unit and step: 3 sigmoids, 2 tanh, c = f * c + i * g, h = o * tanh(c)


def _softmax_flops(size: int) -> Pair:
    """Return forward: largest, subtract, exp, sum, divide; backward: y * (dy - sum(dy * y))."""
    return 5 * size - 2, 4 * size - 1


def _other_flops(place: Place) -> Pair:
    """Return what one sample's forward and backward pass cost in a layer, apart from its products."""
    size = math.prod(place.after)
    match place.layer:
        case MaxPool2D(window, _):  # compare; add each gradient at the place of the maximum
            return size * (window**2 - 1), size
        case AvgPool2D(window, _):  # add, divide; divide, add
            return size * window**2, size * (window**2 + 1)
        case GlobalAvgPool():  # add, divide; divide
            return math.prod(place.before), size
        case Activation("softmax"):
            return _softmax_flops(size)
        case Activation(function):
            forward, backward = ELEMENTWISE[function]
            return forward * size, backward * size
        case BatchNorm() | LayerNorm():  # mean 1, variance 3, scale and shift 3; sums 3, dx 4
            return 7 * size, 7 * size
        case RMSNorm():  # mean of squares 2, scale 2; sum 2, dx 3
            return 4 * size, 5 * size
        case PositionEmbedding() | Residual():  # add; add the gradients
            return size, size
        case SelfAttention(heads):  # scale, softmax of each row
            tokens = place.before[0]
            forward, backward = _softmax_flops(tokens)
            return heads * tokens * (forward + tokens), heads * tokens * (backward + tokens)
        case LSTM(units):
            steps = place.before[0] * units
            return GATES[0] * steps, GATES[1] * steps
        case _:
            return 0, 0


def _loss_flops(recipe: Recipe) -> Pair:
    """Return what one sample's loss and its gradient cost."""
    outputs = recipe.model.outputs
    if recipe.loss == "mean_squared_error":
        return 3, 1  # subtract, square, into the mean; times 2/N
    smooth = outputs if recipe.label_smoothing else 0  # the mean of all logits; its share of the label
    # log-sum-exp as in softmax, minus a logit, into the mean; (softmax - label) / N
    return 4 * outputs + 1 + smooth, 2 * outputs + 1 + smooth


def _optimiser_flops(recipe: Recipe) -> int:
    """Return what one update of all parameters costs, a step."""
    match recipe.optimiser:
        case SGD(momentum=0.0):
            each = 2
        case SGD(_, _, nesterov):
            each = 6 if nesterov else 4
        case Adam(weight_decay=decay):  # m 3, v 4, two corrections, root, epsilon, divide, rate, subtract; decay
            each = 16 if decay else 14
    return each * recipe.model.parameter_count


def step_all_flops(recipe: Recipe, batch_size: int) -> int:
    """Return everything one training step costs: layers, loss, gradients, update."""
    layers = sum(cost.all_training_flops for cost in _layer_costs(recipe.model, batch_size))
    return layers + batch_size * sum(_loss_flops(recipe)) + _optimiser_flops(recipe)


def _layer_costs(model: Model, batch_size: int = 1) -> list[LayerCost]:
    """Return what each layer of `model` holds and costs for one batch, in the order of its places."""
    parameters = model.parameters()
    weights = {p.place: p.shape for p in reversed(parameters) if p.start == "drawn"}
    costs = []
    for index, place in enumerate(model.places()):
        forward, reading = (batch_size * flops for flops in _forward_flops(place))
        training = 3 * forward - (0 if place.inner else reading)  # nobody needs the gradient of the images
        count = sum(p.size for p in parameters if p.place == index)
        other, other_back = (batch_size * flops for flops in _other_flops(place))
        if not (place.inner or place.learns):
            other_back = 0
        everything = forward + other, training + other + other_back
        costs.append(LayerCost(place, weights.get(index), count, forward, training, *everything))
    return costs


def model_flops(model: Model) -> tuple[int, int]:
    """Return (forward, training) FLOPs per sample."""
    costs = _layer_costs(model)
    return sum(cost.forward_flops for cost in costs), sum(cost.training_flops for cost in costs)


def _settings(layer: Layer) -> dict[str, Any]:
    """Return a layer's settings as JSON values, without the chains of a Residual, which are layers of their own."""
    return {} if isinstance(layer, Residual) else {field.name: getattr(layer, field.name) for field in fields(layer)}


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
                "at": cost.place.at,
                "layer": type(cost.place.layer).__name__,
                "settings": _settings(cost.place.layer),
                "weight_shape": list(cost.weight_shape) if cost.weight_shape else None,
                "parameters": cost.parameters,
                "output_shape": list(cost.place.after),
                **{name: getattr(cost, name) for name in COUNTS},
            }
            for cost in costs
        ],
        "parameters": model.parameter_count,
        **{name: sum(getattr(cost, name) for cost in costs) for name in COUNTS},
        "all_training_flops": step_all_flops(recipe, batch_size),
    }
