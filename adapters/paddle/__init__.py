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

from adapters.contract import NARROW, Adapter, Array, DeviceTimer, Feed, Preloaded, chain
from adapters.declaration import SGD, Adam, Parameter, Recipe
from adapters.paddle.layers import LSTM, BatchNorm, layers_of
from adapters.weights import Weights


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
        model = self.recipe.model
        modules = layers_of(model.layers, iter(model.places()))
        if self.precision in NARROW:
            modules.append(Float32())
        mixed = partial(paddle.amp.auto_cast, level="O1", dtype=self.operands)
        self.autocast = mixed if self.precision in NARROW else nullcontext
        self.network = nn.Sequential(*modules)
        norms = [part for part in self.network.sublayers() if isinstance(part, BatchNorm)]
        recurrent = [part for part in self.network.sublayers() if isinstance(part, LSTM)]
        self.zeros = [part.bias_hh_l0 for part in recurrent]
        self.statistics = [array for norm in norms for array in (norm._mean, norm._variance)]
        untrained = {array.name for array in (*self.zeros, *self.statistics)}
        self.parameters = [array for array in self.network.parameters() if array.name not in untrained]
        self.arrays = [*self.parameters, *self.statistics]
        self.moded = norms + recurrent  # these alone compute in an evaluation otherwise than in training
        self.forward, self.infer = _loss_of(self.network, self.recipe), self.network
        if self.mode == "compiled":
            self.forward = paddle.jit.to_static(self.forward, full_graph=True)
            self.infer = paddle.jit.to_static(self.network, full_graph=True)
        self.optimiser = self.make_optimiser()

    def set_weights(self, weights: Weights) -> None:
        for parameter, target in zip(self.recipe.model.arrays(), self.arrays, strict=True):
            array = np.array(weights[parameter.name], self.dtype)
            target.set_value(np.ascontiguousarray(array.T) if _turned(parameter) else array)
        self.optimiser = self.make_optimiser()

    def get_weights(self) -> Weights:
        return self.canonical(self.arrays)

    def snapshot(self) -> Callable[[], Weights]:
        copies = [target.detach().clone() for target in self.arrays]
        return lambda: self.canonical(copies)

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
        self.clear()
        return loss.detach()

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        kept = [array.clone() for array in self.statistics]
        self.differentiate(preloaded.images[index], preloaded.labels[index])
        for array, before in zip(self.statistics, kept, strict=True):
            array.set_value(before)
        found = self.canonical([parameter.grad for parameter in self.parameters])
        self.clear()
        return found

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        for layer in self.moded:
            layer.eval()
        with paddle.no_grad(), self.autocast():
            found = [self.infer(preloaded.images[index]) for index in range(first, first + count)]
        for layer in self.moded:
            layer.train()
        return found

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

    def canonical(self, tensors: list[paddle.Tensor]) -> Weights:
        pairs = zip(self.recipe.model.arrays(), tensors, strict=False)  # gradients are of the parameters alone
        return self.named(tensor.numpy().T if _turned(parameter) else tensor.numpy() for parameter, tensor in pairs)

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

    def clear(self) -> None:
        self.optimiser.clear_grad(set_to_zero=False)
        for bias in self.zeros:
            bias.clear_gradient(False)

    def make_optimiser(self) -> paddle.optimizer.Optimizer:
        match self.recipe.optimiser:
            case SGD(momentum=0.0):
                return paddle.optimizer.SGD(self.rate, self.parameters)
            case SGD(_, momentum, nesterov):
                return paddle.optimizer.Momentum(self.rate, momentum, self.parameters, use_nesterov=nesterov)
            case Adam(_, beta1, beta2, epsilon, 0.0):
                settings = (self.rate, beta1, beta2, epsilon, self.parameters)
                # One kernel for all parameters; it refuses float64 (its error names the dtypes it takes).
                return paddle.optimizer.Adam(*settings, use_multi_tensor=self.dtype == "float32")
            case Adam(_, beta1, beta2, epsilon, decay):
                return paddle.optimizer.AdamW(self.rate, beta1, beta2, epsilon, self.parameters, decay)


class Float32(nn.Layer):
    """Outputs for the loss: of the two, automatic mixed precision sees to cross_entropy alone."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x.astype("float32")


def _turned(parameter: Parameter) -> bool:
    """Return whether paddle keeps a weight the other way round: nn.LSTM has (out, in), nn.Linear (in, out) as we do."""
    return len(parameter.shape) == 2 and parameter.name.startswith("lstm")


def _loss_of(network: nn.Layer, recipe: Recipe) -> Callable[[paddle.Tensor, paddle.Tensor], paddle.Tensor]:
    """Return the loss as a function of (images, labels); to_static takes functions, no methods and no lambdas."""

    def cross_entropy(images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        return functional.cross_entropy(network(images), labels)

    def smoothed(images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        outputs = network(images)
        count, smoothing = outputs.shape[1], recipe.label_smoothing  # label_smoothing=, as plain numbers, is of float32
        kept, share = (paddle.full([], part, outputs.dtype) for part in (1 - smoothing, smoothing / count))
        soft = functional.one_hot(labels, count).astype(outputs.dtype) * kept + share
        return functional.cross_entropy(outputs, soft, soft_label=True)

    def mean_squared_error(images: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        outputs = network(images)
        return functional.mse_loss(outputs[:, 0], labels.astype(outputs.dtype))

    if recipe.loss == "mean_squared_error":
        return mean_squared_error
    return smoothed if recipe.label_smoothing else cross_entropy


class Batches(io.IterableDataset):
    """Batches gathered from host memory without end, in the order's rows."""

    def __init__(self, images: Array, labels: Array, order: Array) -> None:
        super().__init__()
        self.images, self.labels, self.order = images, labels, order

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for rows in itertools.cycle(self.order):
            yield self.images[rows], self.labels[rows]
