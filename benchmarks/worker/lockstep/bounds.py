"""How far a framework may stray from the float64 oracle, by precision. Narrower is always within the same arithmetic.

float64 and float32 are measured: honest frameworks stay 300 times below the first (3e-15) and about 10 times below
the second. Where products are taken of narrower operands and summed in float32 (TF32, bfloat16 and float16 autocast),
the bounds follow from the operands' epsilon:
- each product is off by at most epsilon, relative; errors of many products average, layers add up: outputs
  2 epsilon of the products that make them, and a loss, a mean over the batch, epsilon;
- a gradient parts where rounding flips a ReLU or the place of a maximum. The share of flips grows with epsilon and
  each costs an element of the gradient, so its norm grows with the root: 3 sqrt(epsilon).
A bound is larger where rounding is: outputs that all images share, terms that cancel, a loss near zero, and losses of
large outputs have functions of their own below.
Measured on a CPU with torch, bfloat16 and float16, batches of 1 and 25, at initial and at trained weights, in shares of
the bound: outputs 0.16 to 0.62, losses up to 0.66, weights 0.3, gradients 0.69 (cnn_20_20 at a batch of one, where no
flip averages). float32: outputs 0.06, losses 0.07, weights 0.04, gradients 0.42. TF32 has not met a card yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import NARROW, storage
from adapters.declaration import Adam, Optimiser
from adapters.weights import Weights

ONLY = "float32 only"  # the verdict on a framework that has no float64, whose bounds are float32_only.py's


@dataclass(frozen=True)
class Bounds:
    """Largest relative deviations of single steps; `outputs` is relative to the outputs' spread over the images."""

    loss: float
    gradient: float
    weights: float
    outputs: float


def _derived(epsilon: float) -> Bounds:
    """Return the bounds of float32 sums over products of operands with this epsilon."""
    return Bounds(loss=epsilon, gradient=3 * math.sqrt(epsilon), weights=epsilon, outputs=2 * epsilon)


EPSILON = {"tf32": 2.0**-10, "bfloat16": 2.0**-7, "float16": 2.0**-10}  # of the operands of products
BOUNDS = {
    "float64": Bounds(1e-12, 1e-12, 1e-12, 1e-12),
    "float32": Bounds(1e-5, 1e-5, 1e-6, 1e-5),
    **{dtype: _derived(epsilon) for dtype, epsilon in EPSILON.items()},
}


OUTPUTS = 20.0  # the largest outputs of networks trained for an epoch (measured: up to 22)


def _rounding(dtype: str) -> float:
    """Return by how much, relative, one result of the storage type is off at most: half of its epsilon."""
    return float(np.finfo(storage(dtype)).eps) / 2


def outputs_bound(bounds: Bounds, dtype: str, spread: float, products: float, largest: float) -> float:
    """Return the bound of outputs whose distance from their mean over the images is at most `spread`.

    Operands' rounding is a share of the `products` that the last layer adds to its bias. The result may be rounded to a
    narrow type, too, or is in storage precision: a share of the `largest` output, bias and all. Where all images share
    most of both, as a tutorial's initialiser makes them, that is more than the same share of the spread.
    """
    result = EPSILON[dtype] if dtype in NARROW else 16 * _rounding(dtype)
    return max(bounds.outputs, (bounds.outputs * products + result * largest) / spread)


def least_loss(dtype: str) -> float:
    """Return the loss below which deviations are no longer relative to the loss.

    A cross entropy is a difference of outputs, whose rounding does not shrink with it; nor does that of a probability
    next to 1, from which the gradients begin.
    """
    return OUTPUTS * _rounding(dtype) / BOUNDS[dtype].loss


def loss_deviations(found: npt.ArrayLike, expected: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.float64]:
    """Return the deviation of each loss, relative to what was expected, at least to least_loss."""
    scale = np.maximum(np.abs(expected), least_loss(dtype))
    return np.asarray(np.abs(np.asarray(found, np.float64) - expected) / scale)


def step_bounds(bounds: Bounds, dtype: str, largest: float, loss: float, moved: float) -> Bounds:
    """Return what a step is held to whose outputs reach `largest`, in magnitude, and whose loss is `loss`.

    Narrow operands make outputs off by a share of the largest, and a loss by twice as much of itself, as the gradients
    that begin with it. Rounding in storage precision decides where the loss nears zero. Weights that a step has `moved`
    by a share of their norm are off by the gradients' bound of that share.
    """
    inherited = bounds.outputs * largest if dtype in EPSILON else 0.0
    near_zero = max(1.0, least_loss(dtype) / max(loss, 1e-300))
    gradient = (bounds.gradient + inherited) * near_zero
    weights = max(bounds.weights, min(gradient, 0.5) * moved)
    return replace(bounds, loss=max(bounds.loss, inherited), gradient=gradient, weights=weights)


def summed_bound(bounds: Bounds, dtype: str, terms: int) -> float:
    """Return the bound of a gradient that sums so many terms: samples times positions.

    Of n roundings about sqrt(n) add up (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM
    J. Sci. Comput. 41, 2019).
    """
    return max(bounds.gradient, math.sqrt(terms) * _rounding(dtype))


SWAY = 2.0


def swayed_bound(bound: float, sway: float) -> float:
    """Return the bound of a step whose batch rounding may flip; `sway`: how far some roundings of the weights move it.

    A batch of a network with BatchNorm has no sample that the others do not move, and of ten thousand ReLUs a sample
    one is always next to its bend: float32 turns round one or two a batch; more where it sums a channel one value after
    another, as torch does with channels last (mobile, batch 100: gradients of conv7 are off by 5.8e-3).
    """
    return max(bound, SWAY * sway)


CANCELLED = 10.0


def gradient_scale(norm: float, terms: float) -> float:
    """Return what a bias's gradient, of this norm, is compared to; `terms`: the norm of its terms' magnitudes.

    A sum is off by a share of the magnitudes of its terms, not of itself (Higham, section 4.2). Terms have either sign:
    with their number n (batch times positions) magnitudes grow as n and the sum as sqrt(n), or not at all where a mean
    error has been trained away. Terms that cancel to less than a tenth are compared to that tenth. Measured: torch's
    conv1.bias of cnn_28_dense at batch 1,000, 676,000 terms, is off by 5 roundings of its terms' magnitudes.
    """
    return max(norm, terms / CANCELLED)


@dataclass(frozen=True)
class ReplayBounds:
    """Largest deviations, relative, of what timed steps moved: all weights, how far, one parameter."""

    all: float
    scale: float
    parameter: float


REPLAY_BOUNDS = {
    "float64": ReplayBounds(1e-9, 1e-9, 1e-9),
    "float32": ReplayBounds(1e-2, 1e-3, 3e-2),
    "tf32": ReplayBounds(0.1, 0.01, 0.5),
    "bfloat16": ReplayBounds(0.3, 0.02, 0.5),
    "float16": ReplayBounds(0.1, 0.01, 0.5),
}


FLIPPED, FLIPPED_MOST = 100, 5.0  # the batch size that the bounds are for, and how many times they grow


def replay_bounds(dtype: str, batch_size: int) -> ReplayBounds:
    """Return what timed steps are held to.

    Where rounding flips the place of a maximum, what one sample of a batch adds is off: 5e-3 of what 5 steps of lenet
    moved all weights at a batch of 100 (paddle, an honest launch), and more as the batch gets smaller: at a batch of
    one 3.6e-2 of all weights, 3.8e-2 of one parameter (paddle and tensorflow, cnn_32_64_softmax_twice). What a left-out
    step or a wrong rate changes is the length, whose bound stays. Narrow dtypes' bounds are wide at any size.
    """
    bounds = REPLAY_BOUNDS[dtype]
    times = min(max(1.0, FLIPPED / batch_size), FLIPPED_MOST) if dtype == "float32" else 1.0
    return replace(bounds, all=times * bounds.all, parameter=times * bounds.parameter)


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


def decided(optimiser: Optimiser, gradients: Weights, bound: float) -> npt.NDArray[np.bool_]:
    """Return which elements of all weights, as one vector, a step of the optimiser decides.

    Adam's first step is rate * g/(|g| + epsilon): where g is no larger than its own rounding error, the error
    becomes the rate itself. There the gradient is judged and the weight after the step is not.
    """
    if not isinstance(optimiser, Adam):
        return np.ones(sum(g.size for g in gradients.values()), np.bool_)
    share = min(10 * bound, 0.5) if bound < 1 else 1.0  # of the largest, which no honest rounding turns round
    return np.concatenate([(np.abs(g) > share * np.abs(g).max()).ravel() for g in gradients.values()])
