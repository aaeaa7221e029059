"""Theoretical FLOPs of a declared model: the formula in one place.

One multiply-add is 2 FLOP; only convolutions and fully connected layers count in the headline figure
(MLPerf's utilisation rule, PaLM's MFU: arXiv:2204.02311, appendix B). A convolution output with its bias is
Ci*Kh*Kw multiplications, Ci*Kh*Kw - 1 additions and one bias addition: exactly 2*Ci*Kh*Kw, so the bias is in.
Backward costs the forward twice, once for the weights and once for the input, except that nobody needs the
first layer's input gradient: training = 3 * forward - forward(first counted layer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from adapters.declaration import WEIGHTED, Conv2D, Dense, Layer, Model, Shape


@dataclass(frozen=True)
class LayerCost:
    """One row of `describe`: shapes without the batch axis, FLOPs for the whole batch."""

    layer: Layer
    weight_shape: Shape | None
    parameters: int
    output_shape: Shape
    forward_flops: int
    training_flops: int


def forward_flops(layer: Layer, before: Shape, after: Shape) -> int:
    """Return the FLOPs of one sample's forward pass through `layer`, from shape `before` to `after`."""
    match layer:
        case Conv2D(_, kernel):
            return 2 * math.prod(after) * before[0] * kernel * kernel
        case Dense(units):
            return 2 * before[0] * units
        case _:
            return 0


def layer_costs(model: Model, batch_size: int = 1) -> list[LayerCost]:
    """Return what each layer of `model` holds and costs for one batch."""
    shapes = model.shapes()
    weights = {p.layer: p.shape for p in model.parameters() if p.name.endswith(".weight")}
    first = min(weights)
    costs = []
    for index, layer in enumerate(model.layers):
        forward = batch_size * forward_flops(layer, shapes[index], shapes[index + 1])
        training = forward * (2 if index == first else 3) if isinstance(layer, WEIGHTED) else 0
        count = sum(p.size for p in model.parameters() if p.layer == index)
        costs.append(LayerCost(layer, weights.get(index), count, shapes[index + 1], forward, training))
    return costs


def model_flops(model: Model) -> tuple[int, int]:
    """Return (forward, training) FLOPs per sample."""
    costs = layer_costs(model)
    return sum(cost.forward_flops for cost in costs), sum(cost.training_flops for cost in costs)
