"""mxnet: gluon blocks, imperative or as bound graphs, with its fused update operators."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

# Copies this long run on OpenMP threads of the main thread's own. With them libgomp counts more threads than cores and
# stops spinning at every barrier of the worker: one set_weights of lenet halved its speed. None is that long.
os.environ.setdefault("MXNET_CPU_PARALLEL_SIZE", str(2**31 - 1))
# Its products of float32 matrices are always allowed TF32 on a card (src/operator/linalg_impl.h,
# VERSION_ADJUSTED_TF32_MATH); NVIDIA's libraries listen to this.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
import mxnet as mx  # it reads the environment
import numpy as np
import numpy.typing as npt
from mxnet import autograd

from adapters.contract import NARROW, Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import SGD, Adam, Model, Parameter
from adapters.mxnet.layers import Loss, blocks_of, sequential
from adapters.weights import Weights


class MxnetAdapter(Adapter):
    """Gluon imperatively, or its graph bound to the weights as one program; evaluation hybridized."""

    framework = "mxnet"
    version = mx.__version__

    # What there is

    @classmethod
    def card(cls) -> str | None:
        return "GPU 0" if mx.context.num_gpus() else None  # mxnet 1.9 cannot name it

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if dtype == "tf32":
            return "mxnet cannot turn TF32 on for a cell and off for another: for its process it is off"
        if dtype in NARROW:
            return f"mxnet's dot has no {dtype} on a CPU, and its amp changes the operators of the whole process"
        return "mxnet has no loop of training steps in one call" if mode == "fused" else None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        return "compiled"  # on a card, too: a bound graph is launched by the engine, not from Python

    # The network

    def build(self) -> None:
        self.place = mx.gpu(0) if self.device == "gpu" else mx.cpu()
        model = self.recipe.model
        self.network = sequential(blocks_of(model.layers, iter(model.places())))
        self.network.cast(self.dtype)
        self.network.initialize(mx.init.Zero(), ctx=self.place)
        self.loss = Loss(self.network, self.recipe)
        if self.mode == "compiled":
            self.network.hybridize(static_alloc=True, static_shape=True)
        self.bound: dict[tuple[int, ...], mx.executor.Executor] = {}  # by shape of a batch
        found = self.network.collect_params().values()
        self.learnt = [parameter for parameter in found if parameter.grad_req != "null"]
        self.kept = [parameter for parameter in found if parameter.grad_req == "null"]  # running means and variances
        self.blocks, self.statistics = ([array.data(self.place) for array in part] for part in (self.learnt, self.kept))
        self.arrays = [*self.blocks, *self.statistics]
        self.slopes = [array.grad(self.place) for array in self.learnt]
        self.pairs = [array for pair in zip(self.blocks, self.slopes, strict=True) for array in pair]
        self.set_weights({p.name: np.zeros(p.shape) for p in model.arrays()})

    def set_weights(self, weights: Weights) -> None:
        self.settle()
        for parameter, target in zip(self.recipe.model.arrays(), self.arrays, strict=True):
            array = np.asarray(weights[parameter.name], self.dtype)
            source = mx.nd.array(array.T if _turned(parameter) else array, self.place, self.dtype)
            # Not target[:] = array: an evaluation may have left a filter in oneDNN's layout, which is not written to
            # from outside (src/ndarray/ndarray.cc, IsMKLDNNData): no launch of lenet5 could be timed.
            source.copyto(target)
        self.settle()
        self.velocity = [mx.nd.zeros_like(target) for target in self.blocks]
        self.square = [mx.nd.zeros_like(target) for target in self.blocks]
        self.scratch = [mx.nd.zeros_like(target) for target in self.blocks]
        self.step_count = 0

    def get_weights(self) -> Weights:
        self.settle()
        return self.canonical(self.arrays)

    def snapshot(self) -> Callable[[], Weights]:
        self.settle()
        copies = [array.copy() for array in self.arrays]
        return lambda: self.canonical(copies)

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        batches = [mx.nd.array(batch, self.place, self.dtype) for batch in images]
        digits = [mx.nd.array(batch, self.place, self.dtype) for batch in labels]
        return Preloaded(batches, digits, len(labels), self.no_losses(len(labels)))

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        if self.mode == "eager":
            super().train(preloaded, first, count)
            return
        for index in range(first, first + count):  # the executor writes every loss to one place
            index %= preloaded.steps
            loss = self.differentiate(preloaded.images[index], preloaded.labels[index])
            loss.copyto(preloaded.losses[index])  # mlp, batch 100: into a new array 0.96 of the bare executor, so 0.99
            self.update()

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        # take runs in mxnet's engine while Python goes on (NOTES.md). Rows are int64: its default, float32, counts
        # no further than 2^24.
        # From pinned memory the engine copies to a card on a stream of its own, while a step computes.
        host = mx.cpu_pinned(0) if self.device == "gpu" else mx.cpu()
        samples, digits = (mx.nd.array(part, host, self.dtype) for part in (images, labels))
        endless = itertools.cycle([mx.nd.array(rows, host, "int64") for rows in order])
        batches = (
            (samples.take(rows).as_in_context(self.place), digits.take(rows).as_in_context(self.place))
            for rows in endless
        )
        return Feed(batches, len(order), self.no_losses(len(order)))

    def train_fed(self, feed: Feed, count: int) -> None:
        if self.mode == "eager":
            super().train_fed(feed, count)
            return
        for images, labels in itertools.islice(feed.batches, count):
            loss = self.differentiate(images, labels)
            loss.copyto(feed.losses[feed.taken % feed.steps])
            self.update()
            feed.taken += 1

    def step(self, images: mx.nd.NDArray, labels: mx.nd.NDArray) -> mx.nd.NDArray:
        loss = self.differentiate(images, labels)
        self.update()
        return loss

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        return np.array([loss.asscalar() for loss in batches.losses], np.float64)

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        self.settle()
        before = [array.copy() for array in self.statistics]
        self.differentiate(preloaded.images[index], preloaded.labels[index])
        found = self.canonical(self.slopes)
        for array, kept in zip(self.statistics, before, strict=True):
            kept.copyto(array)
        self.settle()
        return found

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        self.settle()
        found = [self.network(preloaded.images[index]) for index in range(first, first + count)]
        self.settle()
        return found

    def fetch(self, outputs: Any) -> Array:
        return np.concatenate([output.asnumpy() for output in outputs])

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = (mx.nd.array(array, self.place, self.dtype) for array in (left, right))
        targets = mx.nd.empty(left.shape, self.place, self.dtype), mx.nd.empty(left.shape, self.place, self.dtype)
        return chain(lambda last, target: mx.nd.dot(last, factor, out=target), first, targets)

    def copies(self, array: Array) -> Callable[[int], Any]:
        first = mx.nd.array(array, self.place, self.dtype)
        targets = mx.nd.empty(array.shape, self.place, self.dtype), mx.nd.empty(array.shape, self.place, self.dtype)
        return chain(lambda last, target: mx.nd.negative(last, out=target), first, targets)

    def synchronise(self, pending: Any = None) -> None:
        mx.nd.waitall()
        self.blocks[-1].wait_to_read()  # waitall alone has returned early on errors

    def placement(self) -> str:
        return "+".join(sorted({target.context.device_type for target in self.blocks}))

    # Own helpers

    def settle(self) -> None:
        """Wait for all work, where there are statistics: mxnet's engine does not know that backward passes move them.

        Neither do later reads wait for those, nor those for earlier reads: github.com/apache/mxnet/issues/15296, 18610.
        """
        if self.statistics:
            mx.nd.waitall()

    def no_losses(self, steps: int) -> list[mx.nd.NDArray]:
        return [mx.nd.full(1, np.nan, self.place, self.dtype) for _ in range(steps)]

    def differentiate(self, images: mx.nd.NDArray, labels: mx.nd.NDArray) -> mx.nd.NDArray:
        if self.mode == "compiled":
            bound = self.bound.get(images.shape) or self.bind(images, labels)
            images.copyto(bound.arg_dict["images"])
            labels.copyto(bound.arg_dict["labels"])
            bound.forward(is_train=True)
            bound.backward(self.one)
            return bound.outputs[0]
        with autograd.record():
            loss = self.loss(images, labels)
        loss.backward()
        return loss

    def bind(self, images: mx.nd.NDArray, labels: mx.nd.NDArray) -> mx.executor.Executor:
        """Bind the network and its loss, forward and backward, to the weights and to room for batches of this shape.

        A hybridized block records again, at each step, what it is to differentiate: mlp, batch 100: 0.81 of this speed.
        """
        names = [parameter.name for parameter in self.learnt]
        given = {"images": images.copy(), "labels": labels.copy()}
        self.one = mx.nd.ones(1, self.place, self.dtype)
        with autograd.train_mode():
            graph = self.loss(*map(mx.sym.Variable, given))
        self.bound[images.shape] = graph.bind(
            self.place,
            dict(zip(names, self.blocks, strict=True)) | given,
            dict(zip(names, self.slopes, strict=True)),
            dict.fromkeys(names, "write") | dict.fromkeys(given, "null"),
            {parameter.name: array for parameter, array in zip(self.kept, self.statistics, strict=True)},
        )
        return self.bound[images.shape]

    def canonical(self, arrays: list[mx.nd.NDArray]) -> Weights:
        pairs = zip(self.recipe.model.arrays(), arrays, strict=False)  # gradients are of the parameters alone
        return self.named(array.asnumpy().T if _turned(parameter) else array.asnumpy() for parameter, array in pairs)

    def update(self) -> None:
        """Apply the declared update with mxnet's operators: its own keep the rate inside the momentum buffer."""
        self.step_count += 1
        w, g, v, s, t = self.blocks, self.slopes, self.velocity, self.square, self.scratch
        match self.recipe.optimiser:
            case SGD(momentum=0.0):  # combine(w, 1.0, g, -self.rate), its lists made once
                n = len(w)
                mx.nd.multi_sgd_update(*self.pairs, lrs=[self.rate] * n, wds=[0.0] * n, num_weights=n, out=w)
            case SGD(_, momentum, nesterov):
                _combine(v, momentum, g, 1.0)
                if nesterov:
                    _combine(v, momentum, g, 1.0, out=t)
                _combine(w, 1.0, t if nesterov else v, -self.rate)
            case Adam(_, beta1, beta2, epsilon, decay) as adam:
                correction1, correction2 = adam.corrections(self.step_count)
                _combine(v, beta1, g, 1 - beta1)
                for gradient, scratch in zip(g, t, strict=True):
                    mx.nd.square(gradient, out=scratch)
                _combine(s, beta2, t, 1 - beta2)
                for first, second, scratch in zip(v, s, t, strict=True):
                    mx.nd.sqrt(second / correction2, out=scratch)
                    scratch += epsilon
                    mx.nd.elemwise_div(first, scratch, out=scratch)
                    scratch *= 1 / correction1  # here, not below, where it would be rounded to float32
                _update(w, t, self.rate, decay)


Arrays = list[mx.nd.NDArray]


def _turned(parameter: Parameter) -> bool:
    """Return whether mxnet keeps a weight the other way round: (out, in), as FullyConnected and RNN have it."""
    return len(parameter.shape) == 2 and not parameter.name.startswith("position")


def _combine(arrays: Arrays, factor: float, others: Arrays, share: float, out: Arrays | None = None) -> None:
    """Make every array factor * array + share * other; the scalars, 1 - factor and its products are of float32."""
    _update(arrays, others, -share, (factor - 1) / share if factor != 1 else 0.0, out)  # a rate of 0 is a share of 0


def _update(arrays: Arrays, others: Arrays, rate: float, decay: float, out: Arrays | None = None) -> None:
    """Make every array (1 - rate * decay) * array - rate * other, in one call of the operator that plain SGD has.

    Its scalars are of float32, their product is of the arrays' type.
    """
    n = len(arrays)
    pairs = [array for pair in zip(arrays, others, strict=True) for array in pair]
    mx.nd.multi_sgd_update(*pairs, lrs=[rate] * n, wds=[decay] * n, num_weights=n, out=out or arrays)
