"""paddle: dygraph layers and optimisers, or the same forward pass and loss through paddle.jit.to_static."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

# The MKL 2019 that Paddle bundles takes its slowest kernels on processors that are not Intel's, unless told to take
# those for AVX2 (undocumented, gone in MKL 2020.1). Only there: on Intel's it would take AVX-512 away.
if "AuthenticAMD" in Path("/proc/cpuinfo").read_text():
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
import numpy as np  # MKL reads the environment when paddle loads it
import paddle
from paddle import io, nn
from paddle.nn import functional

from adapters import declaration
from adapters.contract import NARROW, Adapter, Array, DeviceTimer, Feed, Preloaded, chain
from adapters.declaration import SGD, Shape
from adapters.weights import Weights

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax}


class PaddleAdapter(Adapter):
    """Dygraph, or its forward pass and loss as one static program."""

    framework = "paddle"
    version = paddle.__version__

    # What there is

    @classmethod
    def card(cls) -> str | None:
        found = paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count()
        return paddle.device.cuda.get_device_name(0) if found else None

    @classmethod
    def set_threads(cls, threads: int) -> int:
        paddle.base.core.set_num_threads(threads)
        return threads

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if dtype in NARROW and device == "cpu":
            return "paddle.amp has no effect on a CPU, where paddle has no products of narrower types"
        # paddle.device.cuda.graphs.CUDAGraph is there, undocumented: not used before somebody can try it on a card.
        return "paddle has no loop of training steps in one call" if mode == "fused" else None

    # The network

    def build(self) -> None:
        self.place = paddle.CUDAPlace(0) if self.device == "gpu" else paddle.CPUPlace()
        paddle.device.set_device("gpu:0" if self.device == "gpu" else "cpu")
        paddle.set_default_dtype(self.dtype)
        if self.device == "gpu":  # TF32 is on by default (github.com/PaddlePaddle/Paddle/pull/28732); not unless asked
            paddle.base.core.set_cublas_switch(self.precision == "tf32")
            paddle.base.core.set_cudnn_switch(self.precision == "tf32")
        shapes = self.recipe.model.shapes()
        modules = [_layer_of(layer, shape) for layer, shape in zip(self.recipe.model.layers, shapes, strict=False)]
        if self.precision in NARROW:
            modules.append(Float32())
        mixed = partial(paddle.amp.auto_cast, level="O1", dtype=self.operands)
        self.autocast = mixed if self.precision in NARROW else nullcontext
        self.network = nn.Sequential(*modules)
        self.parameters = self.network.parameters()
        self.forward, self.infer = _loss_of(self.network, self.recipe.loss), self.network
        if self.mode == "compiled":
            self.forward = paddle.jit.to_static(self.forward, full_graph=True)
            self.infer = paddle.jit.to_static(self.network, full_graph=True)
        self.optimiser = self.make_optimiser()

    def set_weights(self, weights: Weights) -> None:
        for parameter, target in zip(self.recipe.model.parameters(), self.parameters, strict=True):
            target.set_value(np.array(weights[parameter.name], self.dtype))  # nn.Linear keeps (in, out), as we do
        self.optimiser = self.make_optimiser()

    def get_weights(self) -> Weights:
        return self.named(target.numpy() for target in self.parameters)

    def snapshot(self) -> Callable[[], Weights]:
        copies = [target.detach().clone() for target in self.parameters]
        return lambda: self.named(copy.numpy() for copy in copies)

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.optimiser.set_lr(rate)

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        batches = [paddle.to_tensor(batch, place=self.place) for batch in images]
        digits = [paddle.to_tensor(batch, place=self.place) for batch in labels]
        return Preloaded(batches, digits, len(labels))

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        if self.device == "gpu":
            # Its reader pins each batch and copies it on a stream of its own, two ahead. A CPU has no use for it.
            loader = io.DataLoader(Batches(images, labels, order), places=[self.place], batch_size=None)
            return Feed(iter(loader), len(order))

        def batches() -> Iterator[tuple[paddle.Tensor, paddle.Tensor]]:
            for rows in itertools.cycle(order):  # the default, by way of put: mlp, batch 100, one thread: 0.98 of this
                yield paddle.to_tensor(images[rows], place=self.place), paddle.to_tensor(labels[rows], place=self.place)

        return Feed(batches(), len(order))

    def step(self, images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        loss = self.differentiate(images, labels)
        self.optimiser.step()
        self.optimiser.clear_grad(set_to_zero=False)
        return loss.detach()

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        self.differentiate(preloaded.images[index], preloaded.labels[index])
        found = self.named(parameter.grad.numpy() for parameter in self.parameters)
        self.optimiser.clear_grad(set_to_zero=False)
        return found

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        with paddle.no_grad(), self.autocast():
            return [self.infer(preloaded.images[index]) for index in range(first, first + count)]

    def fetch(self, outputs: Any) -> Array:
        return np.concatenate([output.astype(self.dtype).numpy() for output in outputs])

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        placed = (paddle.to_tensor(array, place=self.place) for array in (left, right))
        first, factor = (array.astype(self.operands) for array in placed)
        return chain(paddle.matmul, first, (factor, factor))

    def copies(self, array: Array) -> Callable[[int], Any]:
        first = paddle.to_tensor(array, place=self.place)
        return chain(lambda last, _: paddle.neg(last), first)

    def timer(self) -> DeviceTimer | None:
        # The versions before 3 document events that cannot tell the time between them.
        if self.device == "cpu" or not hasattr(paddle.device.Event, "elapsed_time"):
            return None
        return DeviceTimer(partial(paddle.device.Event, enable_timing=True))

    def synchronise(self, pending: Any = None) -> None:
        if self.device == "gpu":
            paddle.device.synchronize()

    def placement(self) -> str:
        kinds = {"gpu" if target.place.is_gpu_place() else "cpu" for target in self.parameters}
        return "+".join(sorted(kinds))

    # Own helpers

    def differentiate(self, images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        with self.autocast():
            loss = self.forward(images, labels)
        if self.loss_scale == 1:
            loss.backward()
            return loss
        (loss * self.loss_scale).backward()
        for parameter in self.parameters:
            parameter.grad.scale_(1 / self.loss_scale)
        return loss

    def make_optimiser(self) -> paddle.optimizer.Optimizer:
        match self.recipe.optimiser:
            case SGD(momentum=0.0):
                return paddle.optimizer.SGD(self.rate, self.parameters)
            case SGD(_, momentum, nesterov):
                return paddle.optimizer.Momentum(self.rate, momentum, self.parameters, use_nesterov=nesterov)
            case adam:
                settings = (self.rate, adam.beta1, adam.beta2, adam.epsilon, self.parameters)
                # One kernel for all parameters; it refuses float64 (its error names the dtypes it takes).
                return paddle.optimizer.Adam(*settings, use_multi_tensor=self.dtype == "float32")


class Float32(nn.Layer):
    """Outputs for the loss: of the two, automatic mixed precision sees to cross_entropy alone."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.astype("float32")


def _loss_of(network: nn.Layer, loss: str) -> Callable[[paddle.Tensor, paddle.Tensor], paddle.Tensor]:
    """Return the loss as a function of (images, labels); to_static takes functions, no methods and no lambdas."""

    def cross_entropy(images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        return functional.cross_entropy(network(images), labels)

    def mean_squared_error(images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        outputs = network(images)
        return functional.mse_loss(outputs[:, 0], labels.astype(outputs.dtype))

    return cross_entropy if loss == "cross_entropy" else mean_squared_error


class Batches(io.IterableDataset):
    """Batches gathered from host memory without end, in the order's rows."""

    def __init__(self, images: Array, labels: Array, order: Array) -> None:
        super().__init__()
        self.images, self.labels, self.order = images, labels, order

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for rows in itertools.cycle(self.order):
            yield self.images[rows], self.labels[rows]


class Conv2D(nn.Conv2D):
    """nn.Conv2D with its bias added in three dimensions, (B, C, H*W) + (C, 1).

    Paddle's own four-dimensional broadcast is slow on a CPU, above all its gradient: lenet, batch 100, conv1: 16 ms
    against 3 ms.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = functional.conv2d(x, self.weight, None, self._stride, self._padding)
        return (y.flatten(2) + self.bias.unsqueeze(-1)).reshape(y.shape)


def _layer_of(layer: declaration.Layer, shape: Shape) -> nn.Layer:
    """Return the layer that a declared layer means for one sample of `shape`."""
    match layer:
        case declaration.Conv2D(channels, kernel, stride, padding):
            return Conv2D(shape[0], channels, kernel, stride, padding)
        case declaration.Dense(units):
            return nn.Linear(shape[0], units)
        case declaration.MaxPool2D(size, stride):
            return nn.MaxPool2D(size, stride)
        case declaration.AvgPool2D(size, stride):
            return nn.AvgPool2D(size, stride)
        case declaration.Activation(function):
            return ACTIVATIONS[function]()
        case declaration.Flatten():
            return nn.Flatten()
