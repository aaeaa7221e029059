"""How far a framework may stray from the float64 oracle, by precision. Narrower is always within the same arithmetic.

float64 and float32 are measured: honest frameworks stay 300 times below the first (3e-15) and about 10 times below
the second. Where products are taken of narrower operands and summed in float32 (TF32, bfloat16 and float16 autocast),
the bounds follow from the operands' epsilon:
- each product is off by at most epsilon, relative; errors of many products average, layers add up: outputs
  2 epsilon of the largest output, and a loss, a mean over the batch, epsilon;
- a gradient parts where rounding flips a ReLU or the place of a maximum. The share of flips grows with epsilon and
  each costs an element of the gradient, so its norm grows with the root: 2 sqrt(epsilon).
Measured with operands rounded in the NumPy adapter, all eight recipes, ten steps each: outputs up to 0.8 epsilon,
losses up to 0.22 epsilon, gradients up to 0.84 sqrt(epsilon), for TF32 as for bfloat16. Measured on a CPU with torch,
tensorflow and jax, bfloat16 and float16, all but one of the recipes in all three, ten steps of batch 25: outputs up to
0.70 epsilon, losses 0.22 epsilon, weights 0.21 epsilon, gradients 1.45 sqrt(epsilon) (bfloat16, lenet5) and 1.81
(float16, mlp_tutorial, whose activations are so small that all three flip the same). TF32 has not met a card yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Bounds:
    """Largest relative deviations of single steps; `outputs` is relative to the largest output, at least 1."""

    loss: float
    gradient: float
    weights: float
    outputs: float


def _derived(epsilon: float) -> Bounds:
    """Return the bounds of float32 sums over products of operands with this epsilon."""
    return Bounds(loss=epsilon, gradient=2 * math.sqrt(epsilon), weights=epsilon, outputs=2 * epsilon)


EPSILON = {"tf32": 2.0**-10, "bfloat16": 2.0**-7, "float16": 2.0**-10}  # of the operands of products
BOUNDS = {
    "float64": Bounds(1e-12, 1e-12, 1e-12, 1e-12),
    "float32": Bounds(1e-5, 1e-5, 1e-6, 1e-4),
    **{dtype: _derived(epsilon) for dtype, epsilon in EPSILON.items()},
}


@dataclass(frozen=True)
class ReplayBounds:
    """Largest relative deviations of timed steps taken again: of what they moved all weights, how far, one parameter.

    `outputs` is relative to their spread over the images.
    """

    all: float
    scale: float
    parameter: float
    outputs: float


REPLAY_BOUNDS = {
    "float64": ReplayBounds(1e-9, 1e-9, 1e-9, 1e-11),
    "float32": ReplayBounds(3e-3, 1e-3, 3e-2, 3e-4),
    "tf32": ReplayBounds(0.1, 0.01, 0.5, 0.02),
    "bfloat16": ReplayBounds(0.3, 0.02, 0.5, 0.1),
    "float16": ReplayBounds(0.1, 0.01, 0.5, 0.02),
}


@dataclass(frozen=True)
class Wider:
    """A bound of one framework that is wider than BOUNDS', at most ten times, with its reason; the report shows it."""

    framework: str
    dtype: str
    kind: str  # a field of Bounds
    bound: float
    operation: str
    reason: str
    link: str


WIDER = (
    Wider(
        "mxnet",
        "float32",
        "gradient",
        5e-5,
        "log_softmax",
        "oneDNN's kernel is off by 1e-6 of a probability, always to the same side, so that a mean over the batch keeps "
        "it: 1.05e-5 of the last bias's gradient at 1,024 samples, 5e-8 without oneDNN (MXNET_MKLDNN_ENABLED=0)",
        "https://github.com/apache/mxnet/pull/18469",
    ),
)


def bounds_of(framework: str, dtype: str) -> Bounds:
    """Return what a framework is held to in a dtype."""
    own = {wider.kind: wider.bound for wider in WIDER if (wider.framework, wider.dtype) == (framework, dtype)}
    return replace(BOUNDS[dtype], **own)
