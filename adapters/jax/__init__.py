"""jax: pure functions of one tree of parameters, compiled by XLA."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

# By default it takes three quarters of a card's memory at once, and nobody could tell how much it needs.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
import jax  # it reads the environment
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import lax

from adapters.contract import Adapter, Array, Feed, Preloaded, chain
from adapters.declaration import Conv2D, Model
from adapters.jax.layers import compute
from adapters.optimisers import start, updates
from adapters.weights import Arrays, Weights


class JaxAdapter(Adapter):
    """value_and_grad op by op, one jitted step, or a jitted loop of steps."""

    framework = "jax"
    version = jax.__version__

    # What there is

    @classmethod
    def card(cls) -> str | None:
        return jax.devices("gpu")[0].device_kind if jax.default_backend() == "gpu" else None

    @classmethod
    def set_threads(cls, threads: int) -> int:
        return len(os.sched_getaffinity(0))  # XLA's CPU pool obeys only the affinity mask

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if mode == "fused" and input == "host":
            return "a loop of steps in one call of XLA takes its batches from the device, none from host memory"
        return None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        # Convolutions inside an XLA loop crawl on a CPU: lenet, batch 100: 1,640 samples/s fused, 4,500 compiled.
        convolves = any(isinstance(place.layer, Conv2D) for place in model.places())
        return "compiled" if input == "host" or (device == "cpu" and convolves) else "fused"

    # The network

    def build(self) -> None:
        jax.config.update("jax_enable_x64", self.dtype == "float64")
        # On a GPU the default is TF32; not unless a cell asks for it.
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if self.precision == "tf32" else "highest")
        self.place = jax.devices("gpu" if self.device == "gpu" else "cpu")[0]
        donated = jax.jit(self.stepped, donate_argnums=(0, 1))
        self.one_step = self.stepped if self.mode == "eager" else donated
        self.many_steps = jax.jit(self.loop, donate_argnums=0)
        self.slopes = self.differentiate if self.mode == "eager" else jax.jit(self.differentiate)
        self.infer = self.forward if self.mode == "eager" else jax.jit(self.forward)
        self.infer_at = jax.jit(lambda arrays, images, index: self.forward(arrays, images[index]))
        self.learnt = len(self.recipe.model.parameters())
        self.kept = self.recipe.model.momenta()
        self.set_weights({p.name: np.zeros(p.shape) for p in self.recipe.model.arrays()})
        self.set_rate(self.recipe.schedule.rate(self.recipe.optimiser, 0))

    def set_weights(self, weights: Weights) -> None:
        arrays = [np.array(weights[p.name], self.dtype) for p in self.recipe.model.arrays()]
        self.arrays, self.state = self.device_put((arrays, start(self.recipe.optimiser, arrays[: self.learnt])))

    def get_weights(self) -> Weights:
        return self.named(self.arrays)

    def snapshot(self) -> Callable[[], Weights]:
        copies = [jnp.copy(array) for array in self.arrays]  # the arrays themselves are donated to the next step
        return lambda: self.named(copies)

    def set_rate(self, rate: float) -> None:
        self.rate = self.device_put(np.asarray(rate, self.dtype))

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        images = np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))  # (S, B, H, W, C)
        digits = labels.astype(np.int32)
        if self.mode == "fused":
            # Placed like all else: a jitted call compiles once more where it first gets an array bound to no device.
            losses = self.device_put(np.full(len(labels), np.nan, self.dtype))
            return Preloaded(self.device_put(images), self.device_put(digits), len(labels), losses)
        batches = [self.device_put(batch) for batch in images]
        return Preloaded(batches, [self.device_put(batch) for batch in digits], len(labels))

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        if self.mode == "fused":
            carried = self.arrays, self.state, preloaded.losses
            carried = self.many_steps(carried, preloaded.images, preloaded.labels, self.rate, first, count)
            self.arrays, self.state, preloaded.losses = carried
        else:
            super().train(preloaded, first, count)

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        if reason := self.unsupported(self.device, self.mode, self.precision, "host"):
            raise ValueError(reason)
        last, digits = np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels.astype(np.int32)
        gathered = ((last[rows], digits[rows]) for rows in itertools.cycle(order))
        # On a CPU a jitted step takes NumPy's arrays at less cost than device_put does: mlp, 0.82 against 0.72 of the
        # preloaded speed. To a GPU the next batch is on its way before this one is trained on.
        batches = gathered if self.device == "cpu" else _ahead(map(self.device_put, gathered))
        return Feed(batches, len(order))

    def step(self, images: Any, labels: Any) -> Any:
        self.arrays, self.state, loss = self.one_step(self.arrays, self.state, images, labels, self.rate)
        return loss

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        return np.array(batches.losses, np.float64)

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        return self.named(self.slopes(self.arrays, preloaded.images[index], preloaded.labels[index])[2])

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        if self.mode == "fused":
            batches = range(first, first + count)
            return [self.infer_at(self.arrays, preloaded.images, index) for index in batches]
        return [self.infer(self.arrays, preloaded.images[index]) for index in range(first, first + count)]

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = self.device_put((left.astype(self.operands), right.astype(self.operands)))
        return chain(jax.jit(jnp.matmul), first, (factor, factor))

    def copies(self, array: Array) -> Callable[[int], Any]:
        first = self.device_put(array)
        negate = jax.jit(jnp.negative)
        return chain(lambda last, _: negate(last), first)

    def synchronise(self, pending: Any = None) -> None:
        jax.block_until_ready((self.arrays, self.state, pending))

    def placement(self) -> str:
        kinds = {device.platform for array in self.arrays for device in array.devices()}
        return "+".join(sorted(kinds))

    # Own helpers

    def device_put(self, tree: Any) -> Any:
        return jax.device_put(tree, self.place)

    def forward(self, arrays: list[Any], x: Any) -> Any:  # (B, H, W, C) -> (B, outputs)
        return self.network(Arrays(arrays[: self.learnt], arrays[self.learnt :]), x)

    def network(self, arrays: Arrays, x: Any) -> Any:
        as_matmuls = self.device == "cpu" and self.mode != "eager"
        return compute(self.recipe.model.layers, x, arrays, as_matmuls, self.operands)

    def loss(self, parameters: list[Any], images: Any, labels: Any) -> tuple[Any, list[Any]]:
        """Return the loss, by what the adapter scales it, and the statistics of the batch."""
        arrays = Arrays(parameters, None)
        loss = self.loss_of(self.network(arrays, images), labels)
        return loss if self.loss_scale == 1 else loss * self.loss_scale, arrays.found

    def loss_of(self, outputs: Any, labels: Any) -> Any:
        if self.recipe.loss == "cross_entropy":
            # log_softmax is jitted, logsumexp is not: op by op, mlp runs at 0.6 of the speed with it.
            logarithms, smoothing = jax.nn.log_softmax(outputs), self.recipe.label_smoothing
            loss = -jnp.mean(jnp.take_along_axis(logarithms, labels[:, None], axis=1))
            return (1 - smoothing) * loss - smoothing * jnp.mean(logarithms) if smoothing else loss
        return jnp.mean(jnp.square(outputs[:, 0] - labels.astype(outputs.dtype)))

    def differentiate(self, arrays: list[Any], images: Any, labels: Any) -> tuple[Any, list[Any], list[Any]]:
        """Return the loss, the statistics of the batch, and the gradients."""
        parameters = arrays[: self.learnt]
        (loss, found), gradients = jax.value_and_grad(self.loss, has_aux=True)(parameters, images, labels)
        if self.loss_scale != 1:
            loss, gradients = jax.tree.map(lambda part: part / self.loss_scale, (loss, gradients))
        return loss, found, gradients

    def stepped(self, arrays: list[Any], state: list[Any], images: Any, labels: Any, rate: Any) -> Any:
        loss, found, gradients = self.differentiate(arrays, images, labels)
        change, state = updates(self.recipe.optimiser, arrays[: self.learnt], gradients, state, rate, jnp)
        moved = [w - d for w, d in zip(arrays, change, strict=False)]  # the parameters come first
        statistics = zip(self.kept, arrays[self.learnt :], found, strict=True)
        return [*moved, *(kept * old + (1 - kept) * new for kept, old, new in statistics)], state, loss

    def loop(self, carried: Any, images: Any, labels: Any, rate: Any, first: Any, count: Any) -> Any:
        arrays, state, losses = carried

        def note(losses: Any, loss: Any, index: Any) -> Any:
            return lax.dynamic_update_index_in_dim(losses, loss, index % len(labels), 0)

        def body(index: Any, carried: Any) -> Any:
            arrays, state, last, losses = carried
            losses = note(losses, last, index - 1)  # a step late: at once it is fused with the loss, mlp at 0.96
            batch = index % len(labels)
            return *self.stepped(arrays, state, images[batch], labels[batch], rate), losses

        end = first + count
        begin = arrays, state, losses[(first - 1) % len(labels)], losses
        arrays, state, last, losses = lax.fori_loop(first, end, body, begin)
        return arrays, state, note(losses, last, end - 1)


def _ahead(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the batches, the next one always asked for before."""
    batch = next(batches)
    for after in batches:
        yield batch
        batch = after
