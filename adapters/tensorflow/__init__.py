"""tensorflow: variables, tf.nn operations and GradientTape, compiled by tf.function, with XLA where it pays."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from functools import partial
from typing import Any

# By default it takes all memory of a card at once, and nobody could tell how much it needs.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
import numpy as np
import numpy.typing as npt
import tensorflow as tf  # it reads the environment

from adapters.contract import Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import Model, Parameter
from adapters.optimisers import start, updates
from adapters.tensorflow.layers import (
    Unrolled,
    applied,
    convolves,
    depthwise_kernels,
    flattened_images,
    network,
    reads_tokens,
    recurs,
)
from adapters.weights import Weights

# Where nothing convolves XLA pays on a CPU up to this batch size; above it a graph's products are faster (NOTES.md).
XLA_UP_TO = {"compiled": 200, "fused": 2_000}
XLA_UP_TO_OF_TOKENS = 50
XLA_UP_TO_OF_ATTENTION = 150  # on several threads


class TensorflowAdapter(Adapter):
    """Eager operations, one tf.function a step, or a tf.function that loops over steps. Images are NHWC."""

    framework = "tensorflow"
    version = tf.__version__

    # What there is

    @classmethod
    def card(cls) -> str | None:
        cards = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(cards[0]).get("device_name", "GPU") if cards else None

    @classmethod
    def set_threads(cls, threads: int) -> int:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return int(tf.config.threading.get_intra_op_parallelism_threads())

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        return None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        # On a card XLA's loop leaves Python out and fuses what lies between products and convolutions.
        return "compiled" if device == "cpu" and convolves(model) else "fused"

    # The network

    def build(self) -> None:
        self.place = "/GPU:0" if self.device == "gpu" else "/CPU:0"
        # On by default, XLA's products too; no TF32 unless asked.
        tf.config.experimental.enable_tensor_float_32_execution(self.precision == "tf32")
        model = self.recipe.model
        self.xla_up_to = self.most_for_xla()
        self.layers = network(model, self.operands)
        self.after_flatten = {index: place.before for index, place in flattened_images(model).items()}
        self.depthwise = depthwise_kernels(model)
        self.kept = model.momenta()
        with tf.device(self.place):
            zeros = [self.from_canonical(p, np.zeros(p.shape, self.dtype)) for p in model.parameters()]
            self.parameters = [tf.Variable(array) for array in zeros]
            self.statistics = [tf.Variable(np.zeros(p.shape, self.dtype)) for p in model.statistics()]
            self.rate_variable = tf.Variable(self.rate, dtype=self.dtype)
            self.state = [[tf.Variable(array) for array in slot] for slot in start(self.recipe.optimiser, zeros)]
        self.one_step = self.compile(self.step)
        self.many_steps = self.compile(self.loop)
        # The loop itself is a graph, because XLA cannot take batches off an iterator; its steps are compiled as ever.
        self.many_fed = tf.function(self.fed_loop, autograph=False)
        self.slopes = self.compile(self.differentiate)
        graph = partial(tf.function, jit_compile=self.pays(1), autograph=False)
        self.infer = self.inferred if self.mode == "eager" else graph(self.inferred)
        # tf.gather, because XLA compiles a slice again for every index: 100 batches took 29 s the first time.
        self.infer_at = graph(lambda images, index: self.inferred(tf.gather(images, index)))
        # All batches in one call, as training has it: mlp, batch 100: 287,000 samples/s against 152,000.
        self.infer_all = graph(lambda images: tf.reshape(tf.map_fn(self.inferred, images), [-1, model.outputs]))

    def set_weights(self, weights: Weights) -> None:
        variables = [*self.parameters, *self.statistics]
        for parameter, variable in zip(self.recipe.model.arrays(), variables, strict=True):
            variable.assign(self.from_canonical(parameter, weights[parameter.name]).astype(self.dtype))
        for variable in itertools.chain(*self.state):
            variable.assign(tf.zeros_like(variable))

    def get_weights(self) -> Weights:
        return self.canonical([*self.parameters, *self.statistics])

    def snapshot(self) -> Callable[[], Weights]:
        copies = [tf.identity(variable) for variable in (*self.parameters, *self.statistics)]
        return lambda: self.canonical(copies)

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.rate_variable.assign(rate)

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        last = np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))  # (S, B, H, W, C)
        with tf.device(self.place):
            if self.mode == "fused":
                return Preloaded(tf.constant(last), tf.constant(labels), len(labels), self.no_losses(len(labels)))
            batches = [tf.constant(batch) for batch in last]
            return Preloaded(batches, [tf.constant(batch) for batch in labels], len(labels))

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        if self.mode == "fused":
            begin, end = tf.constant(first), tf.constant(first + count)
            many_steps = self.many_steps[self.pays(preloaded.images.shape[1])]
            many_steps(preloaded.images, preloaded.labels, preloaded.losses, begin, end)
            return
        step = self.step_for(preloaded.images[0], preloaded.labels[0])
        for index in range(first, first + count):
            index %= preloaded.steps
            preloaded.losses[index] = step(preloaded.images[index], preloaded.labels[index])

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        with tf.device("/CPU:0"):
            last, digits = tf.constant(images.transpose(0, 2, 3, 1)), tf.constant(labels)
        rows = tf.data.Dataset.from_tensor_slices(order).repeat()
        gathered = rows.map(lambda rows: (tf.gather(last, rows), tf.gather(digits, rows)))
        losses = self.no_losses(len(order)) if self.mode == "fused" else None
        # To a card the next batch is on its way before this one is trained on; there its iterator lies on the card.
        ahead = tf.data.experimental.prefetch_to_device(self.place, 1) if self.device == "gpu" else None
        with tf.device(self.place):
            return Feed(iter(gathered.apply(ahead) if ahead else gathered.prefetch(1)), len(order), losses)

    def train_fed(self, feed: Feed, count: int) -> None:
        if self.mode == "fused":
            self.many_fed(feed.batches, feed.losses, tf.constant(feed.taken), tf.constant(feed.taken + count))
            feed.taken += count
            return
        step = self.step_for(*feed.batches.element_spec)
        for images, labels in itertools.islice(feed.batches, count):
            feed.losses[feed.taken % feed.steps] = step(images, labels)
            feed.taken += 1

    def step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        loss, gradients, found = self.differentiate(images, labels)
        self.update(gradients)
        self.keep(found)
        return loss

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        return batches.losses.numpy().astype(np.float64) if self.mode == "fused" else super().losses(batches)

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        images, labels = preloaded.images[index], preloaded.labels[index]
        return self.canonical(self.slopes[self.pays(len(images))](images, labels)[1])

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        batches = range(first, first + count)
        if self.mode != "fused":
            return [self.infer(preloaded.images[index]) for index in batches]
        if count == preloaded.steps:
            return [self.infer_all(preloaded.images)]
        return [self.infer_at(preloaded.images, tf.constant(index)) for index in batches]

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        with tf.device(self.place):
            first, factor = (tf.cast(tf.constant(array), self.operands) for array in (left, right))
        return self.in_place(chain(tf.matmul, first, (factor, factor)))

    def copies(self, array: Array) -> Callable[[int], Any]:
        with tf.device(self.place):
            first = tf.constant(array)
        return self.in_place(chain(tf.negative, first))  # the None it is called with is its name

    def synchronise(self, pending: Any = None) -> None:
        tf.test.experimental.sync_devices()
        self.parameters[-1].numpy()  # a copy of the last update cannot be had before it is made

    def placement(self) -> str:
        kinds = {tf.DeviceSpec.from_string(variable.device).device_type.lower() for variable in self.parameters}
        return "+".join(sorted(kinds))

    # Own helpers

    def in_place(self, work: Callable[[int], Any]) -> Callable[[int], Any]:
        """Return work(count) on this device; an operation of its own would go to a card where there is one."""

        def placed(count: int) -> Any:
            with tf.device(self.place):
                return work(count)

        return placed

    def canonical(self, tensors: list[Any]) -> Weights:
        pairs = zip(self.recipe.model.arrays(), tensors, strict=False)  # gradients are of the parameters alone
        return self.named(self.to_canonical(parameter, tensor.numpy()) for parameter, tensor in pairs)

    def from_canonical(self, parameter: Parameter, array: Array) -> Array:
        if array.ndim == 4:
            kernel = array.transpose(2, 3, 1, 0)  # (out, in, kh, kw) -> (kh, kw, in, out)
            return kernel.reshape(self.depthwise.get(parameter.place, kernel.shape))
        if parameter.place in self.after_flatten and array.ndim == 2:
            c, h, w = self.after_flatten[parameter.place]  # NHWC flattens (H, W, C): permute the rows
            return array.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(array.shape)
        return array

    def to_canonical(self, parameter: Parameter, array: Array) -> Array:
        if array.ndim == 4:
            return array.reshape(*array.shape[:2], -1, parameter.shape[0]).transpose(3, 2, 0, 1)
        if parameter.place in self.after_flatten and array.ndim == 2:
            c, h, w = self.after_flatten[parameter.place]
            return array.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(array.shape)
        return array

    def inferred(self, images: tf.Tensor) -> tf.Tensor:  # (B, H, W, C) -> (B, outputs)
        return applied(self.layers, images, Unrolled(self.parameters, self.statistics, not self.pays(1)))

    def loss(self, outputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        if self.recipe.loss == "cross_entropy":
            if not (smoothing := self.recipe.label_smoothing):
                return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs))
            off = smoothing / outputs.shape[1]
            targets = tf.one_hot(labels, outputs.shape[1], 1 - smoothing + off, off, dtype=outputs.dtype)
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, outputs))
        return tf.reduce_mean(tf.square(outputs[:, 0] - tf.cast(labels, outputs.dtype)))

    def differentiate(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """Return loss, gradients, and the statistics of the batch."""
        unrolls = self.mode == "eager" or not self.pays(labels.shape[0])
        arrays = Unrolled(self.parameters, None, unrolls)
        with tf.GradientTape() as tape:
            loss = self.loss(applied(self.layers, images, arrays), labels)
            scaled = loss if self.loss_scale == 1 else loss * self.loss_scale
        gradients = tape.gradient(scaled, self.parameters)
        if self.loss_scale != 1:
            gradients = [gradient / self.loss_scale for gradient in gradients]
        return loss, gradients, arrays.found

    def no_losses(self, steps: int) -> tf.Variable:
        with tf.device(self.place):
            return tf.Variable(tf.fill([steps], tf.constant(np.nan, self.dtype)))

    def most_for_xla(self) -> float:
        """Return up to which batch size XLA is the faster compiler.

        Its convolutions crawl on a CPU: lenet, batch 100: 441 samples/s in an XLA loop, 10,200 as a graph.
        """
        if self.device == "gpu":
            return math.inf
        if self.mode == "eager" or convolves(self.recipe.model):
            return 0
        if not reads_tokens(self.recipe.model):
            return XLA_UP_TO[self.mode]
        one_thread = tf.config.threading.get_intra_op_parallelism_threads() == 1
        return XLA_UP_TO_OF_TOKENS if one_thread or recurs(self.recipe.model) else XLA_UP_TO_OF_ATTENTION

    def pays(self, batch_size: int) -> bool:
        """Return whether XLA is the faster compiler for batches of this size."""
        return batch_size <= self.xla_up_to

    def compile(self, function: Callable[..., Any]) -> dict[bool, Any]:
        """Return the function as XLA compiles it (True) and as a graph (False); as it is in eager mode."""
        if self.mode == "eager":
            return {True: function, False: function}
        # Nothing here needs AutoGraph, and it cannot read match statements.
        return {xla: tf.function(function, jit_compile=xla, autograph=False) for xla in (True, False)}

    def step_for(self, images: Any, labels: Any) -> Any:
        """Return the step for batches of these shapes; found once, it spares each call the search, 0.2 ms."""
        step = self.one_step[self.pays(images.shape[0])]
        return step.get_concrete_function(images, labels) if self.mode == "compiled" else step

    def loop(self, images: tf.Tensor, labels: tf.Tensor, losses: tf.Variable, first: tf.Tensor, end: tf.Tensor) -> None:
        _repeat(lambda index: self.step(images[index], labels[index]), losses, first, end)

    def fed_loop(self, batches: Any, losses: tf.Variable, first: tf.Tensor, end: tf.Tensor) -> None:
        step = self.one_step[self.pays(batches.element_spec[1].shape[0])]
        _repeat(lambda index: step(*next(batches)), losses, first, end)

    def keep(self, found: list[tf.Tensor]) -> None:
        """Move the statistics by what a batch's were."""
        for variable, new, kept in zip(self.statistics, found, self.kept, strict=True):
            variable.assign(kept * variable + (1 - kept) * new)

    def update(self, gradients: list[tf.Tensor]) -> None:
        rate = self.rate_variable.value()
        if not self.state:  # plain SGD: one operation for w.assign_sub(rate * g)
            for w, g in zip(self.parameters, gradients, strict=True):
                tf.raw_ops.ResourceApplyGradientDescent(var=w.handle, alpha=rate, delta=g)
            return
        changes, state = updates(self.recipe.optimiser, self.parameters, gradients, self.state, rate, tf.math)
        for w, change in zip(self.parameters, changes, strict=True):
            w.assign_sub(change)
        for variable, value in zip(itertools.chain(*self.state), itertools.chain(*state), strict=True):
            variable.assign(value)


def _repeat(step: Callable[[tf.Tensor], tf.Tensor], losses: tf.Variable, first: tf.Tensor, end: tf.Tensor) -> None:
    """Take steps first .. end-1, wrapping round; note the loss of step(index) at `index` of losses (S,)."""

    def body(position: tf.Tensor) -> tuple[tf.Tensor]:
        index = position % losses.shape[0]
        losses.scatter_nd_update([[index]], [step(index)])
        return (position + 1,)

    tf.while_loop(lambda position: position < end, body, (first,), parallel_iterations=1)
