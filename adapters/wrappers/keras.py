"""Keras over any of its backends: layers, compile, fit and predict, as its guides have it. Images are NHWC."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import keras  # the backend is chosen by then
import numpy as np
import numpy.typing as npt
from keras import layers as nn

from adapters import wrappers
from adapters.contract import NARROW, Adapter, Array, Preloaded, Unsupported, chain
from adapters.declaration import (
    SGD,
    Activation,
    Adam,
    AvgPool2D,
    Conv2D,
    Dense,
    Flatten,
    MaxPool2D,
    Model,
    Parameter,
    Shape,
)
from adapters.weights import Weights


@dataclass
class InOne(Preloaded):
    """Batches of `size` samples in one array, (steps * size, H, W, C), or over and over in a longer one."""

    size: int = 0

    def batches(self, first: int, count: int) -> tuple[Array, Array]:
        """Return images and labels of batches first .. first+count-1, which are there."""
        rows = slice(first * self.size, (first + count) * self.size)
        return self.images[rows], self.labels[rows]

    def reach(self, count: int) -> None:
        """Repeat the batches, so that `count` of them follow any; fit takes an array from its beginning to its end.

        It copies where there never were so many before: before the chunks that are timed.
        """
        if len(self.labels) < (self.steps + count) * self.size:
            times, once = 1 + math.ceil(count / self.steps), self.steps * self.size
            self.images, self.labels = (np.concatenate([part[:once]] * times) for part in (self.images, self.labels))


class KerasFit(Adapter):
    """compile(run_eagerly=True), or compile() as it chooses; a chunk is one call of fit, an evaluation one of predict.

    `lacks` says why a mode is none of this backend's.
    """

    lacks: ClassVar[dict[str, str]]
    calls_are_whole = True

    # What there is

    @classmethod
    def versions(cls) -> dict[str, str]:
        return super().versions() | {"keras": keras.__version__}

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if reason := wrappers.missing(device, input):
            return reason
        if dtype == "float64" and keras.backend.result_type(dtype, dtype) != dtype:
            return "over this backend Keras rounds float64 to float32 (keras/src/backend/common/dtypes.py)"
        if dtype in NARROW:
            return f"Keras's mixed_{dtype} rounds all activations, not products' operands alone"
        return cls.lacks.get(mode)

    # The network

    def build(self) -> None:
        keras.config.set_floatx(self.dtype)
        keras.config.set_image_data_format("channels_last")
        self.network = self.make_network(layers_of(self.recipe.model))
        self.network.compile(self.make_optimiser(), self.make_loss(), run_eagerly=self.mode == "eager")
        self.network.optimizer.build(self.network.trainable_variables)
        self.images_before = flattened_for(self.recipe.model)

    def set_weights(self, weights: Weights) -> None:
        given = [self.from_canonical(p, np.asarray(weights[p.name], self.dtype)) for p in self.recipe.model.arrays()]
        self.network.set_weights(given)
        optimiser = self.network.optimizer
        for variable in optimiser.variables:
            if variable is not optimiser._learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def get_weights(self) -> Weights:
        return self.canonical(self.network.get_weights())

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.network.optimizer.learning_rate = rate

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        steps, size = labels.shape
        last = images.transpose(0, 1, 3, 4, 2)  # (S, B, H, W, C)
        last = np.ascontiguousarray(last).reshape(steps * size, *last.shape[2:])
        digits = labels.reshape(-1, 1).astype("int32" if self.recipe.loss == "cross_entropy" else self.dtype)
        return InOne(last, digits, steps, np.full(steps, np.nan), size)

    def train(self, preloaded: Any, first: int, count: int) -> None:
        steps = np.arange(first, first + count) % preloaded.steps
        preloaded.losses[steps] = self.fit(count, **self.fit_arguments(preloaded, first % preloaded.steps, count))

    def step(self, images: Array, labels: Array) -> float:
        return float(self.fit(1, x=images, y=labels, batch_size=len(labels))[0])

    def losses(self, batches: Any) -> npt.NDArray[np.float64]:
        return np.array(batches.losses, np.float64)

    def gradients(self, preloaded: Any, index: int) -> Weights:
        return self.canonical(self.slopes(*preloaded.batches(index, 1)))

    def evaluate(self, preloaded: Any, first: int, count: int) -> Any:
        images, _ = preloaded.batches(first, count)
        return [self.network.predict(images, preloaded.size, verbose=0)]

    def fetch(self, outputs: Any) -> Array:
        return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = (keras.ops.convert_to_tensor(array) for array in (left, right))
        return chain(keras.ops.matmul, first, (factor, factor))

    def copies(self, array: Array) -> Callable[[int], Any]:
        return chain(lambda last, _: keras.ops.negative(last), keras.ops.convert_to_tensor(array))

    # Own helpers

    @abstractmethod
    def slopes(self, images: Array, labels: Array) -> list[Array]:
        """Return the gradients of a batch, as the backend's train_step takes them."""

    def make_network(self, layers: list[Any]) -> keras.Sequential:
        return keras.Sequential(layers)

    def fit_arguments(self, preloaded: Any, first: int, count: int) -> dict[str, Any]:
        """Return what fit is told of so many batches."""
        preloaded.reach(count)
        images, labels = preloaded.batches(first, count)
        return {"x": images, "y": labels, "batch_size": preloaded.size}

    def fit(self, steps: int, **given: Any) -> npt.NDArray[np.float64]:
        """Train on so many batches in their order; return each step's loss."""
        seen = Losses(steps)
        self.network.fit(**given, epochs=1, verbose=0, callbacks=[seen], shuffle=False)
        return seen.single()

    def canonical(self, arrays: Sequence[Array]) -> Weights:
        pairs = zip(self.recipe.model.arrays(), arrays, strict=False)
        return self.named(self.to_canonical(parameter, array) for parameter, array in pairs)

    def from_canonical(self, parameter: Parameter, array: Array) -> Array:
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)  # (out, in, kh, kw) -> (kh, kw, in, out)
        image = self.images_before.get(parameter.place)
        if image and array.ndim == 2:
            return array.reshape(*image, -1).transpose(1, 2, 0, 3).reshape(array.shape)
        return array

    def to_canonical(self, parameter: Parameter, array: Array) -> Array:
        if array.ndim == 4:
            return array.transpose(3, 2, 0, 1)
        image = self.images_before.get(parameter.place)
        if image and array.ndim == 2:
            c, h, w = image
            return array.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(array.shape)
        return array

    def make_optimiser(self) -> keras.Optimizer:
        match self.recipe.optimiser:
            case SGD(_, momentum, nesterov):
                return keras.optimizers.SGD(self.rate, momentum, nesterov)
            case Adam(_, beta1, beta2, epsilon, 0.0):
                return keras.optimizers.Adam(self.rate, beta1, beta2, epsilon)
            case Adam(_, beta1, beta2, epsilon, decay):
                return keras.optimizers.AdamW(self.rate, decay, beta1, beta2, epsilon)

    def make_loss(self) -> keras.Loss:
        if self.recipe.label_smoothing:
            raise Unsupported("keras-fit has no smoothed labels here: Keras smooths labels that are one-hot alone")
        if self.recipe.loss == "cross_entropy":
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return keras.losses.MeanSquaredError()


class Losses(keras.callbacks.Callback):
    """Each step's loss, from what fit tells its callbacks: the mean of an epoch's losses so far."""

    async_safe = True  # without it fit would wait, at each step, for the loss

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.means = np.full(steps, np.nan)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Keep what fit says at the end of a batch."""
        self.means[batch] = (logs or {})["loss"]

    def single(self) -> npt.NDArray[np.float64]:
        """Return each step's own loss, (steps,)."""
        return np.diff(self.means * np.arange(1, len(self.means) + 1), prepend=0.0)


def layers_of(model: Model) -> list[Any]:
    """Return a chain of layers in Keras's own, an activation inside the layer before; Unsupported for what has none."""
    found: list[Any] = [nn.Input((*model.input_shape[1:], model.input_shape[0]))]
    before = None
    for layer, after in zip(model.layers, (*model.layers[1:], None), strict=True):
        follows = ACTIVATIONS.get(after.function, after.function) if isinstance(after, Activation) else None
        match layer:
            case Conv2D(channels, kernel, stride, padding, 1, bias):
                same = padding and stride == 1 and 2 * padding == kernel - 1  # Keras's own way to keep the size
                found += [nn.ZeroPadding2D(padding)] if padding and not same else []
                way = "same" if same else "valid"
                found.append(nn.Conv2D(channels, kernel, stride, way, activation=follows, use_bias=bias))
            case Dense(units, bias):
                found.append(nn.Dense(units, follows, use_bias=bias))
            case Activation(function):
                is_inside = isinstance(before, Conv2D | Dense)
                found += [] if is_inside else [nn.Activation(ACTIVATIONS.get(function, function))]
            case MaxPool2D(size, stride):
                found.append(nn.MaxPooling2D(size, stride))
            case AvgPool2D(size, stride):
                found.append(nn.AveragePooling2D(size, stride))
            case Flatten():
                found.append(nn.Flatten())
            case _:
                raise Unsupported(f"keras-fit is written for chains of Conv2D, pooling and Dense, not for {layer}")
        before = layer
    return found


ACTIVATIONS: dict[str, Any] = {"gelu_tanh": partial(keras.activations.gelu, approximate=True)}  # otherwise by name


def flattened_for(model: Model) -> dict[int, Shape]:
    """Return the images (C, H, W) that are flattened as they lie, (H, W, C), by the place of the Dense that reads them.

    Its rows are permuted instead, once. Unsupported where something else reads one.
    """
    places = model.places()
    found: dict[int, Shape] = {}
    for index, (place, reader) in enumerate(itertools.pairwise(places)):
        if isinstance(place.layer, Flatten) and len(place.before) == 3 and place.before[0] > 1:
            if not isinstance(reader.layer, Dense):
                raise Unsupported(f"keras-fit flattens images for Dense, not for {reader.layer}")
            found[index + 1] = place.before
    return found
