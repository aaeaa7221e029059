"""The language networks are declared in, once, for every framework.

Everything that decides what is computed stands in these frozen dataclasses; what a framework does with
them is the adapters' business. Shapes and parameter counts come from here, and the adapters' networks are
checked against them. Needs the standard library and NumPy alone, because workers import it.

Canonical layout: images NCHW, Dense weights (in, out), convolution weights (out, in, kernel, kernel),
Flatten in C order. Scalars are rounded once to float32: mxnet, Keras and Paddle's Momentum keep them so,
and against float64 scalars even SGD parts from them at 1e-8.

`layers` gives a declared model as plain JSON values, for the process that writes a framework's own files.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]


class DeclarationError(ValueError):
    """A declaration that no network can follow; says which layer and why."""


def _float32(value: float) -> float:
    """Round a scalar once to float32, the precision every framework is sure to keep."""
    return float(np.float32(value))


@dataclass(frozen=True)
class _Rounded:
    """A declaration whose scalars are rounded once to float32."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float):
                object.__setattr__(self, field.name, _float32(value))


# Layers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conv2D:
    """Cross-correlation with bias; square kernel, explicit zero padding on all four sides."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True)
class Dense:
    """Fully connected layer with bias: x @ weight (in, out) + bias."""

    units: int


@dataclass(frozen=True)
class MaxPool2D:
    """Largest value of each square window; no padding, incomplete windows are dropped.

    Where several are the largest, the slope goes to any of them, or to all in parts: the gate takes no such samples.
    """

    size: int
    stride: int


@dataclass(frozen=True)
class AvgPool2D:
    """Mean of each square window; no padding, incomplete windows are dropped."""

    size: int
    stride: int


@dataclass(frozen=True)
class Activation:
    """Elementwise `relu` (whose slope at 0 is 0), `tanh` or `sigmoid`; `softmax` runs over the last axis."""

    function: str

    def __post_init__(self) -> None:
        if self.function not in ("relu", "tanh", "sigmoid", "softmax"):
            raise DeclarationError(f"Activation({self.function!r}): expected relu, tanh, sigmoid or softmax")


@dataclass(frozen=True)
class Flatten:
    """(C, H, W) to (C*H*W,) in C order."""


Layer = Conv2D | Dense | MaxPool2D | AvgPool2D | Activation | Flatten
WEIGHTED = (Conv2D, Dense)


@dataclass(frozen=True)
class Parameter:
    """One array of a model in the canonical layout; `layer` indexes the model's layers."""

    name: str
    shape: Shape
    layer: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Model:
    """A chain of layers; input shape (C, H, W)."""

    name: str
    layers: tuple[Layer, ...]
    input_shape: Shape = (1, 28, 28)

    def __post_init__(self) -> None:
        self.shapes()  # refuses what no network can follow

    def shapes(self) -> tuple[Shape, ...]:
        """Return the input's shape and then each layer's output shape, all without the batch axis."""
        shapes = [self.input_shape]
        for index, layer in enumerate(self.layers):
            try:
                shapes.append(_output_shape(layer, shapes[-1]))
            except DeclarationError as error:
                raise DeclarationError(f"model {self.name!r}, layer {index}, {layer}: {error}") from None
        return tuple(shapes)

    @property
    def outputs(self) -> int:
        """Return the length of the last layer's output vector."""
        return math.prod(self.shapes()[-1])

    def parameters(self) -> tuple[Parameter, ...]:
        """Return weight and bias of each weighted layer, in order: `conv1.weight`, `conv1.bias`, ..."""
        found: list[Parameter] = []
        counts = {"conv": 0, "dense": 0}
        for index, (layer, shape) in enumerate(zip(self.layers, self.shapes(), strict=False)):
            if not isinstance(layer, WEIGHTED):
                continue
            kind = "conv" if isinstance(layer, Conv2D) else "dense"
            counts[kind] += 1
            weight, bias = _parameter_shapes(layer, shape)
            found.append(Parameter(f"{kind}{counts[kind]}.weight", weight, index))
            found.append(Parameter(f"{kind}{counts[kind]}.bias", bias, index))
        return tuple(found)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.size for parameter in self.parameters())


def _output_shape(layer: Layer, shape: Shape) -> Shape:
    """Return what `layer` makes of one sample of `shape`; DeclarationError where it cannot."""
    match layer:
        case Conv2D(channels, kernel, stride, padding):
            return (channels, *_windows(shape, kernel, stride, padding))
        case MaxPool2D(size, stride) | AvgPool2D(size, stride):
            return (_image(shape)[0], *_windows(shape, size, stride, 0))
        case Dense(units):
            if len(shape) != 1:
                raise DeclarationError(f"Dense needs a vector, got {shape}; put Flatten() before it")
            return (units,)
        case Activation(function):
            if function == "softmax" and len(shape) != 1:
                raise DeclarationError(f"softmax needs a vector, got {shape}; put Flatten() before it")
            return shape
        case Flatten():
            return (math.prod(shape),)


def _image(shape: Shape) -> Shape:
    """Return `shape` if it is (C, H, W); DeclarationError otherwise."""
    if len(shape) != 3:
        raise DeclarationError(f"needs an image (C, H, W), got {shape}; put it before Flatten()")
    return shape


def _windows(shape: Shape, size: int, stride: int, padding: int) -> Shape:
    """Return how many windows fit (H, W): (extent + 2*padding - size) // stride + 1."""
    fits = tuple((extent + 2 * padding - size) // stride + 1 for extent in _image(shape)[1:])
    if min(fits) < 1:
        raise DeclarationError(f"a window of {size} does not fit {shape} with padding {padding}; take a smaller one")
    return fits


def _parameter_shapes(layer: Conv2D | Dense, shape: Shape) -> tuple[Shape, Shape]:
    """Return (weight, bias) shapes of a weighted layer that reads one sample of `shape`."""
    match layer:
        case Conv2D(channels, kernel):
            return (channels, shape[0], kernel, kernel), (channels,)
        case Dense(units):
            return (shape[0], units), (units,)


# Training -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SGD(_Rounded):
    """v = momentum*v + g; w = w - rate*v; Nesterov: w = w - rate*(g + momentum*v). No dampening."""

    rate: float
    momentum: float = 0.0
    nesterov: bool = False


@dataclass(frozen=True)
class Adam(_Rounded):
    """As published (arXiv:1412.6980): w = w - rate * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon)."""

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def corrections(self, step: int) -> tuple[float, float]:
        """Return (1 - beta1^t, 1 - beta2^t) for step t = 1, 2, ..., in float64.

        Made here, on the host, because float32 loses half of its digits in 1 - 0.999^t at small t.
        """
        return 1.0 - self.beta1**step, 1.0 - self.beta2**step


Optimiser = SGD | Adam


@dataclass(frozen=True)
class Exponential(_Rounded):
    """The learning rate of epoch e (from 0) is rate * factor^e, rounded to float32."""

    factor: float = 1.0

    def rate(self, optimiser: Optimiser, epoch: int) -> float:
        return _float32(optimiser.rate * self.factor**epoch)


@dataclass(frozen=True)
class Initialiser:
    """Distribution of the weights; biases are zero.

    `glorot_uniform`, `he_uniform`, `he_normal` take their scale from the fans; `uniform` draws from
    (-scale, scale), `normal` with standard deviation scale.
    """

    distribution: str = "glorot_uniform"
    scale: float = 1.0

    def __post_init__(self) -> None:
        known = ("glorot_uniform", "he_uniform", "he_normal", "uniform", "normal")
        if self.distribution not in known:
            raise DeclarationError(f"Initialiser({self.distribution!r}): expected one of {', '.join(known)}")


@dataclass(frozen=True)
class Pixels:
    """Scaling of the input: 0..255 becomes low..high."""

    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """A model and everything that decides how it is trained.

    `loss` is `cross_entropy` (mean over the batch of log-sum-exp minus the label's logit) or
    `mean_squared_error` (mean over the batch of (output - digit)^2, no 1/2). With `stop_when_accuracy_falls`
    training ends after the first epoch whose running training accuracy is below the epoch's before.
    """

    name: str
    model: Model
    optimiser: Optimiser
    loss: str = "cross_entropy"
    schedule: Exponential = Exponential()
    initialiser: Initialiser = Initialiser()
    pixels: Pixels = Pixels()
    batch_size: int = 100
    epochs: int = 10
    stop_when_accuracy_falls: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if self.loss not in ("cross_entropy", "mean_squared_error"):
            raise DeclarationError(f"recipe {self.name!r}: loss {self.loss!r} is unknown")
        if self.loss == "mean_squared_error" and self.model.outputs != 1:
            raise DeclarationError(
                f"recipe {self.name!r}: mean_squared_error needs 1 output, the model has {self.model.outputs}"
            )


def layers(model: Model) -> list[dict[str, Any]]:
    """Return each layer's type, settings, `input_shape`, and a `name` that agrees with those of its parameters."""
    named = {parameter.layer: parameter.name.partition(".")[0] for parameter in model.parameters()}
    found = []
    for index, (layer, shape) in enumerate(zip(model.layers, model.shapes(), strict=False)):
        kind = type(layer).__name__
        name = named.get(index, f"{kind.lower()}{index}")
        found.append({"type": kind, **dataclasses.asdict(layer), "name": name, "input_shape": list(shape)})
    return found
