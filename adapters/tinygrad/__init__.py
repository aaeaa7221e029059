"""tinygrad: lazy tensors, whose kernels clang compiles; a step's are captured once by TinyJit and launched again."""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

# Read when tinygrad is imported. Kernels come from clang and never from a disk: a first step costs the same in every
# launch. PARALLEL would start a pool of processes that compile on other cores and outlive the step.
os.environ.setdefault("DEV", "CPU:CLANG")
os.environ.setdefault("CACHELEVEL", "0")
os.environ.setdefault("PARALLEL", "0")
import numpy as np
from tinygrad import Device, Tensor, TinyJit, dtypes  # it reads the environment
from tinygrad.helpers import NUM_CPU_THREADS

from adapters.contract import Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import Model
from adapters.optimisers import start, updates
from adapters.tinygrad import layers
from adapters.tinygrad.arrays import Pullback
from adapters.tinygrad.products import product
from adapters.weights import Arrays, Weights


@dataclass
class Shared:
    """A tensor and the array on the same memory, which lives as long as the array does."""

    array: Array
    tensor: Tensor


class TinygradAdapter(Adapter):
    """Steps scheduled and launched anew, or captured by TinyJit; gradients by pullbacks of our own (layers.py).

    Weights, state, batches and results lie in memory that NumPy sees as well (Shared). On a CPU tinygrad's kernels
    run before a call returns, so what one of the two wrote the other reads.
    """

    framework = "tinygrad"
    version = version("tinygrad")

    # What there is

    @classmethod
    def set_threads(cls, threads: int) -> int:
        # Python's thread calls all kernels; with more, it calls parts of them one after another (runtime/ops_cpu.py).
        NUM_CPU_THREADS.value = 1
        return 1

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if dtype == "float16":
            return "tinygrad's kernels on a CPU read float16, and multiply and add in float32"
        if dtype == "bfloat16":
            return "tinygrad's kernels of bfloat16 on a CPU need a clang that knows __bf16; clang 14 does not"
        if device == "cpu" and mode == "compiled":
            return None
        return super().missing(device, mode, dtype, input)

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        return "compiled"

    # The network

    def build(self) -> None:
        model = self.recipe.model
        zeros = [np.zeros(parameter.shape, self.dtype) for parameter in model.parameters()]
        running = [np.zeros(statistic.shape, self.dtype) for statistic in model.statistics()]
        self.weights = _placed([*zeros, *running])
        self.parameters = [weight.tensor for weight in self.weights[: len(zeros)]]
        self.statistics = [weight.tensor for weight in self.weights[len(zeros) :]]
        self.kept = self.recipe.model.momenta()
        self.slots = [_placed(map(np.atleast_1d, slot)) for slot in start(self.recipe.optimiser, zeros)]
        self.rate_given, self.loss_made = _shared((1,), self.dtype), _shared((1,), self.dtype)
        self.outputs: dict[int, Shared] = {}  # by batch size
        self.set_rate(self.rate)
        wrap = _captured if self.mode == "compiled" else lambda function: function
        self.stepped, self.slopes, self.infer = wrap(self.make_step), wrap(self.make_gradients), wrap(self.make_outputs)

    def set_weights(self, weights: Weights) -> None:
        for parameter, weight in zip(self.recipe.model.arrays(), self.weights, strict=True):
            weight.array[...] = weights[parameter.name]
        for state in itertools.chain(*self.slots):
            state.array[...] = 0

    def get_weights(self) -> Weights:
        return self.named(weight.array for weight in self.weights)

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.rate_given.array[0] = rate

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        return Preloaded(_placed(images), _placed(labels.astype(np.int32)), len(labels))

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        digits = labels.astype(np.int32)
        batch, some = _shared((order.shape[1], *images.shape[1:]), self.dtype), _shared(order.shape[1:], "int32")

        def batches() -> Iterator[tuple[Shared, Shared]]:
            for rows in itertools.cycle(order):  # one buffer for all batches: a step is over when it returns
                images.take(rows, axis=0, out=batch.array, mode="clip")
                digits.take(rows, out=some.array, mode="clip")
                yield batch, some

        return Feed(batches(), len(order))

    def step(self, images: Shared, labels: Shared) -> float:
        self.stepped(images.tensor, labels.tensor)
        return float(self.loss_made.array[0])

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        given = preloaded.images[index].tensor, preloaded.labels[index].tensor
        for _ in range(3 if self.mode == "compiled" else 1):  # TinyJit runs the function, captures it, launches it
            gradients = self.slopes(*given)
        return self.named(gradient.numpy() for gradient in gradients)

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        return [self.output(preloaded.images[index].tensor) for index in range(first, first + count)]

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        return self.chained(product, left, right)

    def copies(self, array: Array) -> Callable[[int], Any]:
        return self.chained(lambda last: -last, array)

    def synchronise(self, pending: Any = None) -> None:
        Device[Device.DEFAULT].synchronize()

    # Own helpers

    def make_step(self, images: Tensor, labels: Tensor) -> None:
        loss, gradients, found = self.differentiate(images, labels)
        state = [[part.tensor for part in slot] for slot in self.slots]
        change, new = updates(self.recipe.optimiser, self.parameters, gradients, state, self.rate_given.tensor, _Maths)
        changed = [w - d for w, d in zip(self.parameters, change, strict=True)]
        moved = [k * s + (1 - k) * f for k, s, f in zip(self.kept, self.statistics, found, strict=True)]
        kept = itertools.chain(self.parameters, self.statistics, *state)
        made = itertools.chain(changed, moved, *new)
        assigned = [old.assign(value) for old, value in zip(kept, made, strict=True)]
        Tensor.realize(self.loss_made.tensor.assign(loss.reshape(1)), *assigned)

    def make_gradients(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        _, gradients, _ = self.differentiate(images, labels)
        Tensor.realize(*gradients)
        return gradients

    def differentiate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Return the loss, its gradients, and the statistics of the batch."""
        arrays = Arrays(self.parameters, None)
        outputs, pull = self.forward(images, arrays)
        outputs = outputs.contiguous()
        loss = self.loss(outputs, labels)
        _, gradients = pull(*loss.gradient(outputs))
        return loss, gradients, arrays.found

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        if self.recipe.loss == "cross_entropy":
            return outputs.sparse_categorical_crossentropy(labels, label_smoothing=self.recipe.label_smoothing)
        return (outputs[:, 0] - labels.cast(outputs.dtype)).square().mean()

    def forward(self, x: Tensor, arrays: Arrays) -> tuple[Tensor, Pullback]:  # (B, C, H, W) -> (B, outputs)
        return layers.chain(self.recipe.model.layers, x, arrays)

    def output(self, images: Tensor) -> Array:
        size = int(images.shape[0])
        if size not in self.outputs:
            self.outputs[size] = _shared((size, self.recipe.model.outputs), self.dtype)
        self.infer(images)
        return self.outputs[size].array.copy()

    def make_outputs(self, images: Tensor) -> None:
        outputs, _ = self.forward(images, Arrays(self.parameters, self.statistics))
        self.outputs[int(images.shape[0])].tensor.assign(outputs).realize()

    def chained(self, function: Callable[..., Tensor], first: Array, *others: Array) -> Callable[[int], list[Array]]:
        """Return work(count) as products and copies want it, of a function of the result before and `others`."""
        begin, *places = [_shared(first.shape, self.dtype) for _ in range(3)]
        begin.array[...] = first
        factors = _placed(others)
        apply = TinyJit(lambda last, out: out.assign(function(last, *[factor.tensor for factor in factors])).realize())

        def operation(last: Shared, target: Shared) -> Shared:
            apply(last.tensor, target.tensor)
            return target

        work = chain(operation, begin, places)
        return lambda count: [shared.array for shared in work(count)]


class _Maths:
    """What the declared update calls, on tensors."""

    @staticmethod
    def expm1(x: Tensor) -> Tensor:
        return (x.cast(dtypes.float64).exp() - 1).cast(x.dtype)  # of -0.001: float32 would lose half its digits

    @staticmethod
    def sqrt(x: Tensor) -> Tensor:
        return x.sqrt()


def _captured(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function captured by TinyJit, once for each shape of its first argument."""
    captured: dict[tuple[Any, ...], Any] = {}

    def call(*tensors: Tensor) -> Any:
        shape = tensors[0].shape
        if shape not in captured:
            captured[shape] = TinyJit(function)
        return captured[shape](*tensors)

    return call


def _shared(shape: tuple[int, ...], dtype: str) -> Shared:
    """Return zeros that begin a page, so that vectors of any length fit them."""
    count = int(np.prod(shape))
    memory = mmap.mmap(-1, count * np.dtype(dtype).itemsize)
    array = np.frombuffer(memory, dtype).reshape(shape)
    return Shared(array, Tensor.from_blob(array.ctypes.data, shape, dtype=getattr(dtypes, dtype)))


def _placed(arrays: Iterable[Array]) -> list[Shared]:
    """Return copies of arrays."""
    found = []
    for array in arrays:
        found.append(_shared(array.shape, str(array.dtype)))
        found[-1].array[...] = array
    return found
