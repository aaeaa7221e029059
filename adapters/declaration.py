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
from collections import Counter
from collections.abc import Iterator
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


def _image(shape: Shape) -> Shape:
    """Return `shape` if it is (C, H, W); DeclarationError otherwise."""
    if len(shape) != 3:
        raise DeclarationError(f"needs an image (C, H, W), got {shape}; put it before Flatten or Patches")
    return shape


def _tokens(shape: Shape) -> Shape:
    """Return `shape` if it is (T, D); DeclarationError otherwise."""
    if len(shape) != 2:
        raise DeclarationError(f"needs tokens (T, D), got {shape}; put Patches or Reshape before it")
    return shape


def _last_axis(shape: Shape) -> Shape:
    """Return `shape` if it is a vector's or (T, D); DeclarationError otherwise."""
    if len(shape) == 3:
        raise DeclarationError(f"needs tokens (T, D) or a vector, got {shape}; take BatchNorm()")
    return shape


def _windows(shape: Shape, size: int, stride: int, padding: int) -> Shape:
    """Return how many windows fit (H, W): (extent + 2*padding - size) // stride + 1."""
    fits = tuple((extent + 2 * padding - size) // stride + 1 for extent in _image(shape)[1:])
    if min(fits) < 1:
        raise DeclarationError(f"a window of {size} does not fit {shape} with padding {padding}; take a smaller one")
    return fits


Arrays = dict[str, tuple[Shape, str]]  # of a layer by name: shape, and how it begins (Parameter.start)


class _Layer:
    """What a layer makes of one sample of `shape`, and which arrays it has for it; DeclarationError where it cannot."""

    def after(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> Arrays:
        return {}

    def statistics(self, shape: Shape) -> Arrays:
        return {}


@dataclass(frozen=True)
class Conv2D(_Layer):
    """Cross-correlation; square kernel, explicit zero padding on all four sides.

    Each of `groups` reads its own equal part of the input's channels, in order, and writes its own of the output's:
    with as many groups as input channels the convolution is depthwise.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = True

    def after(self, shape: Shape) -> Shape:
        inputs, groups = _image(shape)[0], self.groups
        if inputs % groups or self.channels % groups:
            raise DeclarationError(f"{groups} groups do not divide {inputs} and {self.channels} channels evenly")
        return (self.channels, *_windows(shape, self.kernel, self.stride, self.padding))

    def parameters(self, shape: Shape) -> Arrays:
        weight = self.channels, shape[0] // self.groups, self.kernel, self.kernel
        return {"weight": (weight, "drawn")} | ({"bias": ((self.channels,), "zero")} if self.bias else {})


@dataclass(frozen=True)
class Dense(_Layer):
    """Fully connected layer over the last axis of a vector (I,) or of tokens (T, I): x @ weight (in, out) + bias."""

    units: int
    bias: bool = True

    def after(self, shape: Shape) -> Shape:
        if len(shape) > 2:
            raise DeclarationError(f"needs a vector, got {shape}; put Flatten before it")
        return (*shape[:-1], self.units)

    def parameters(self, shape: Shape) -> Arrays:
        weight = {"weight": ((shape[-1], self.units), "drawn")}
        return weight | ({"bias": ((self.units,), "zero")} if self.bias else {})


@dataclass(frozen=True)
class MaxPool2D(_Layer):
    """Largest value of each square window; no padding, incomplete windows are dropped.

    Where several are the largest, the slope goes to any of them, or to all in parts: the gate takes no such samples.
    """

    size: int
    stride: int

    def after(self, shape: Shape) -> Shape:
        return (_image(shape)[0], *_windows(shape, self.size, self.stride, 0))


@dataclass(frozen=True)
class AvgPool2D(_Layer):
    """Mean of each square window; no padding, incomplete windows are dropped."""

    size: int
    stride: int

    def after(self, shape: Shape) -> Shape:
        return (_image(shape)[0], *_windows(shape, self.size, self.stride, 0))


@dataclass(frozen=True)
class GlobalAvgPool(_Layer):
    """Mean over all positions: (C, H, W) to (C,), tokens (T, D) to (D,)."""

    def after(self, shape: Shape) -> Shape:
        return _image(shape)[:1] if len(shape) != 2 else shape[1:]


FUNCTIONS = ("relu", "tanh", "sigmoid", "gelu", "gelu_tanh", "softmax")


@dataclass(frozen=True)
class Activation(_Layer):
    """Elementwise `relu` (whose slope at 0 is 0), `tanh`, `sigmoid`, `gelu` or `gelu_tanh`; `softmax` of a vector.

    gelu: x/2 * (1 + erf(x/sqrt(2))); gelu_tanh: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) (arXiv:1606.08415).
    """

    function: str

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            known = f"{', '.join(FUNCTIONS[:-1])} or {FUNCTIONS[-1]}"
            raise DeclarationError(f"Activation({self.function!r}): expected {known}")

    def after(self, shape: Shape) -> Shape:
        if self.function == "softmax" and len(shape) != 1:
            raise DeclarationError(f"softmax needs a vector, got {shape}; put Flatten before it")
        return shape


@dataclass(frozen=True)
class Flatten(_Layer):
    """Any shape to a vector in C order: (C, H, W) to (C*H*W,)."""

    def after(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Reshape(_Layer):
    """As many values in another shape, in C order."""

    shape: Shape

    def after(self, shape: Shape) -> Shape:
        if math.prod(self.shape) != math.prod(shape):
            raise DeclarationError(f"the {math.prod(shape)} values of {shape} do not fill {self.shape}")
        return self.shape


@dataclass(frozen=True)
class Patches(_Layer):
    """(C, H, W) cut into tokens (T, C*height*width), row after row of patches; a token is its patch in C order.

    With (1, W) each row of the image is a token.
    """

    height: int
    width: int

    def after(self, shape: Shape) -> Shape:
        channels, rows, columns = _image(shape)
        if rows % self.height or columns % self.width:
            raise DeclarationError(f"patches of {self.height}x{self.width} do not cut {rows}x{columns} evenly")
        return rows // self.height * (columns // self.width), channels * self.height * self.width


@dataclass(frozen=True)
class PositionEmbedding(_Layer):
    """Tokens (T, D) plus weight (T, D)."""

    def after(self, shape: Shape) -> Shape:
        return _tokens(shape)

    def parameters(self, shape: Shape) -> Arrays:
        return {"weight": (shape, "drawn")}


@dataclass(frozen=True)
class BatchNorm(_Rounded, _Layer):
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, by channel of (C, H, W) or by element of a vector.

    In training mean and variance are the batch's, over images and positions, the variance divided by their number (not
    by one less); and after the step running = momentum * running + (1 - momentum) * batch's. An evaluation takes the
    running ones, which begin with 0 and 1.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    def after(self, shape: Shape) -> Shape:
        if len(shape) == 2:
            raise DeclarationError(f"needs an image (C, H, W) or a vector, got tokens {shape}; take LayerNorm()")
        return shape

    def parameters(self, shape: Shape) -> Arrays:
        return {"weight": (shape[:1], "one"), "bias": (shape[:1], "zero")}

    def statistics(self, shape: Shape) -> Arrays:
        return {"mean": (shape[:1], "zero"), "variance": (shape[:1], "one")}


@dataclass(frozen=True)
class LayerNorm(_Rounded, _Layer):
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over the last axis of a vector or of each token."""

    epsilon: float = 1e-5

    def after(self, shape: Shape) -> Shape:
        return _last_axis(shape)

    def parameters(self, shape: Shape) -> Arrays:
        return {"weight": (shape[-1:], "one"), "bias": (shape[-1:], "zero")}


@dataclass(frozen=True)
class RMSNorm(_Rounded, _Layer):
    """x / sqrt(mean(x^2) + epsilon) * weight, over the last axis of a vector or of each token (arXiv:1910.07467).

    The weight begins with 1, and is not added to 1; there is no bias.
    """

    epsilon: float = 1e-5

    def after(self, shape: Shape) -> Shape:
        return _last_axis(shape)

    def parameters(self, shape: Shape) -> Arrays:
        return {"weight": (shape[-1:], "one")}


@dataclass(frozen=True)
class SelfAttention(_Layer):
    """Tokens (T, D) to (T, D); no biases (that of a key would do nothing), no mask, no dropout.

    x @ weight (D, 3D) are queries, keys and values, each of `heads` parts of d = D / heads side by side. A head is
    softmax(q @ k.T / sqrt(d)) @ v; the heads side by side are multiplied by output_weight (D, D).
    """

    heads: int

    def after(self, shape: Shape) -> Shape:
        if _tokens(shape)[1] % self.heads:
            raise DeclarationError(f"{self.heads} heads do not divide the {shape[1]} values of a token evenly")
        return shape

    def parameters(self, shape: Shape) -> Arrays:
        width = shape[1]
        return {"weight": ((width, 3 * width), "drawn"), "output_weight": ((width, width), "drawn")}


@dataclass(frozen=True)
class LSTM(_Layer):
    """Tokens (T, I), one a step from zeros, to the last output (units,), or with `sequence` to all (T, units).

    i, f, g, o = x @ weight (I, 4*units) + h @ recurrent_weight (units, 4*units) + bias, in this order; then
    c = sigmoid(f) * c + sigmoid(i) * tanh(g), h = sigmoid(o) * tanh(c).
    """

    units: int
    sequence: bool = False

    def after(self, shape: Shape) -> Shape:
        steps, _ = _tokens(shape)
        return (steps, self.units) if self.sequence else (self.units,)

    def parameters(self, shape: Shape) -> Arrays:
        gates = 4 * self.units
        weights = {"weight": ((shape[1], gates), "drawn"), "recurrent_weight": ((self.units, gates), "drawn")}
        return weights | {"bias": ((gates,), "zero")}


@dataclass(frozen=True)
class Residual(_Layer):
    """branch(x) + shortcut(x), two chains of layers; an empty shortcut is x itself."""

    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Layer = (
    Conv2D
    | Dense
    | MaxPool2D
    | AvgPool2D
    | GlobalAvgPool
    | Activation
    | Flatten
    | Reshape
    | Patches
    | PositionEmbedding
    | BatchNorm
    | LayerNorm
    | RMSNorm
    | SelfAttention
    | LSTM
    | Residual
)
COUNTED = (Conv2D, Dense, SelfAttention, LSTM)  # by FLOPs: those that multiply matrices
NAMES = {  # of layers with parameters, in which they are counted: conv1, conv2, ...
    Conv2D: "conv",
    Dense: "dense",
    PositionEmbedding: "position",
    BatchNorm: "batchnorm",
    LayerNorm: "layernorm",
    RMSNorm: "rmsnorm",
    SelfAttention: "attention",
    LSTM: "lstm",
}


@dataclass(frozen=True)
class Parameter:
    """One array of a model in the canonical layout; `place` is the index of its layer among the model's places.

    It begins with zeros (`zero`), ones (`one`) or what the recipe's initialiser draws (`drawn`).
    """

    name: str
    shape: Shape
    place: int
    start: str = "drawn"

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Place:
    """A layer where it stands in a model, with its shapes without the batch axis.

    `at` says where: 3, or 3.branch.0. `inner` is whether parameters stand between it and the images, so that training
    needs the gradient of its input.
    """

    at: str
    layer: Layer
    before: Shape
    after: Shape
    inner: bool

    @property
    def learns(self) -> bool:
        return type(self.layer) in NAMES


@dataclass(frozen=True)
class Model:
    """A chain of layers; input shape (C, H, W)."""

    name: str
    layers: tuple[Layer, ...]
    input_shape: Shape = (1, 28, 28)

    def __post_init__(self) -> None:
        if len(self.shapes()[-1]) != 1:  # this walk refuses what no network can follow
            raise DeclarationError(
                f"model {self.name!r} ends with {self.shapes()[-1]}; it needs a vector; put Flatten before its end"
            )
        if not self.parameters():
            raise DeclarationError(f"model {self.name!r} has no layer with weights")

    def places(self) -> tuple[Place, ...]:
        """Return all layers in the order in which they are computed: those within a Residual, then itself."""
        try:
            return tuple(_walk(self.layers, self.input_shape, "", False))
        except DeclarationError as error:
            raise DeclarationError(f"model {self.name!r}, {error}") from None

    def shapes(self) -> tuple[Shape, ...]:
        """Return the input's shape and then the output shape of each layer of the chain, without the batch axis."""
        return self.input_shape, *(place.after for place in self.places() if "." not in place.at)

    @property
    def outputs(self) -> int:
        """Return the length of the last layer's output vector."""
        return math.prod(self.shapes()[-1])

    def parameters(self) -> tuple[Parameter, ...]:
        """Return what training changes by its gradients, in the order of places: `conv1.weight`, `conv1.bias`, ..."""
        return tuple(self._arrays("parameters"))

    def statistics(self) -> tuple[Parameter, ...]:
        """Return what training keeps besides: `batchnorm1.mean`, `batchnorm1.variance`, ..."""
        return tuple(self._arrays("statistics"))

    def momenta(self) -> list[float]:
        """Return of each of the statistics which share of it a step keeps."""
        norms = [place.layer for place in self.places() if isinstance(place.layer, BatchNorm)]
        return [norm.momentum for norm in norms for _ in ("mean", "variance")]

    def arrays(self) -> tuple[Parameter, ...]:
        """Return all that makes a trained network: parameters, then statistics."""
        return self.parameters() + self.statistics()

    def _arrays(self, kind: str) -> Iterator[Parameter]:
        counts: Counter[str] = Counter()
        for index, place in enumerate(self.places()):
            name = NAMES.get(type(place.layer), "")
            counts[name] += 1
            for part, (shape, start) in getattr(place.layer, kind)(place.before).items():
                yield Parameter(f"{name}{counts[name]}.{part}", shape, index, start)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.size for parameter in self.parameters())


def _walk(layers: tuple[Layer, ...], shape: Shape, within: str, inner: bool) -> Iterator[Place]:
    """Yield the places of a chain that reads `shape`; DeclarationError says at which layer it cannot go on."""
    for index, layer in enumerate(layers):
        at = f"{within}{index}"
        if isinstance(layer, Residual):
            parts = [list(_walk(chain, shape, f"{at}.{side}.", inner)) for side, chain in _sides(layer)]
            yield from (place for part in parts for place in part)
            after, straight = (part[-1].after if part else shape for part in parts)
            if after != straight:
                raise DeclarationError(f"layer {at}, Residual: {_unlike(shape, after, straight, layer)}")
            learns = any(place.learns for part in parts for place in part)
        else:
            try:
                after, learns = layer.after(shape), type(layer) in NAMES
                if isinstance(layer, Conv2D | Dense) and layer.bias and isinstance(_next(layers, index), BatchNorm):
                    raise DeclarationError("its bias does nothing before BatchNorm; say bias = false")
            except DeclarationError as error:
                raise DeclarationError(f"layer {at}, {type(layer).__name__}: {error}") from None
        yield Place(at, layer, shape, after, inner)
        shape, inner = after, inner or learns


def _unlike(shape: Shape, after: Shape, straight: Shape, layer: Residual) -> str:
    """Say that two sides cannot be added, and what would fit."""
    if layer.shortcut:
        return f"of {shape} branch makes {after}, shortcut {straight}; give both the same channels and strides"
    return f"of {shape} branch makes {after}; keep the shape, or add a shortcut that makes {after} too"


def _sides(layer: Residual) -> tuple[tuple[str, tuple[Layer, ...]], ...]:
    return ("branch", layer.branch), ("shortcut", layer.shortcut)


def _next(layers: tuple[Layer, ...], index: int) -> Layer | None:
    return layers[index + 1] if index + 1 < len(layers) else None


# Training -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SGD(_Rounded):
    """v = momentum*v + g; w = w - rate*v; Nesterov: w = w - rate*(g + momentum*v). No dampening."""

    rate: float
    momentum: float = 0.0
    nesterov: bool = False


@dataclass(frozen=True)
class Adam(_Rounded):
    """As published (arXiv:1412.6980): w = w - rate * (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + epsilon).

    With `weight_decay` it is AdamW (arXiv:1711.05101): w = w - rate*weight_decay*w comes first, for all parameters.
    """

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

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
class Cosine:
    """The rate of epoch e (from 0) grows evenly to the optimiser's over `warmup_epochs`, then falls as a cosine.

    rate * (e + 1) / warmup_epochs, then rate / 2 * (1 + cos(pi * (e - warmup_epochs) / (epochs - warmup_epochs)));
    after `epochs` the last of these. All are rounded to float32.
    """

    epochs: int
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_epochs < self.epochs:
            raise DeclarationError(f"{self}: warmup_epochs must be less than epochs")

    def rate(self, optimiser: Optimiser, epoch: int) -> float:
        if epoch < self.warmup_epochs:
            return _float32(optimiser.rate * (epoch + 1) / self.warmup_epochs)
        share = (min(epoch, self.epochs - 1) - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        return _float32(optimiser.rate / 2 * (1 + math.cos(math.pi * share)))


Schedule = Exponential | Cosine


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


LOSSES = ("cross_entropy", "mean_squared_error")


@dataclass(frozen=True)
class Recipe:
    """A model and everything that decides how it is trained.

    `loss` is `cross_entropy` (mean over the batch of log-sum-exp minus the label's logit) or
    `mean_squared_error` (mean over the batch of (output - digit)^2, no 1/2). With `label_smoothing` a, a cross entropy
    is log-sum-exp minus (1 - a) times the label's logit minus a times the mean of all logits (arXiv:1512.00567).
    With `stop_when_accuracy_falls` training ends after the first epoch whose running training accuracy is below the
    epoch's before.
    """

    name: str
    model: Model
    optimiser: Optimiser
    loss: str = "cross_entropy"
    schedule: Schedule = Exponential()
    initialiser: Initialiser = Initialiser()
    pixels: Pixels = Pixels()
    batch_size: int = 100
    epochs: int = 10
    stop_when_accuracy_falls: bool = False
    source: str = ""
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _float32(self.label_smoothing))
        if not 0 <= self.label_smoothing < 1 or (self.label_smoothing and self.loss != "cross_entropy"):
            raise DeclarationError(
                f"recipe {self.name!r}: label_smoothing is a share from 0, below 1, of a cross_entropy"
            )
        if self.loss not in LOSSES:
            raise DeclarationError(f"recipe {self.name!r}: loss {self.loss!r} is not known; known: {', '.join(LOSSES)}")
        if self.loss == "mean_squared_error" and self.model.outputs != 1:
            raise DeclarationError(
                f"recipe {self.name!r}: mean_squared_error needs 1 output, the model has {self.model.outputs}"
            )


def layers(model: Model) -> list[dict[str, Any]]:
    """Return each layer's type, settings, `input_shape`, and a `name` that agrees with those of its parameters.

    A Residual holds the same of its `branch` and its `shortcut`.
    """
    named = {parameter.place: parameter.name.partition(".")[0] for parameter in model.parameters()}
    found: dict[str, dict[str, Any]] = {}  # by place
    for index, place in enumerate(model.places()):
        kind = type(place.layer).__name__
        settings = {field.name: getattr(place.layer, field.name) for field in dataclasses.fields(place.layer)}
        name = named.get(index, f"{kind.lower()}{place.at.replace('.', '_')}")
        found[place.at] = {"type": kind, **settings, "name": name, "input_shape": list(place.before)}
    for at, described in found.items():
        if described["type"] == "Residual":
            for side in ("branch", "shortcut"):
                described[side] = [found[f"{at}.{side}.{index}"] for index in range(len(described[side]))]
    return [described for at, described in found.items() if "." not in at]
