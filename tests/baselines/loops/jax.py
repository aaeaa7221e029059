"""JAX by hand: value_and_grad of a pure function, one jitted step that donates its input, or a loop of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Run = Callable[[int, int], float]
RATE = 0.1

jax.config.update("jax_default_matmul_precision", "highest")  # as the adapter has it: no TF32


def loss_of(model: str, convolve: Callable[..., Any], nhwc: bool) -> Callable[..., Any]:
    def logits(p: list[Any], x: Any) -> Any:
        if model == "mlp":
            x = jax.nn.relu(x.reshape(len(x), -1) @ p[0] + p[1])
            x = jax.nn.relu(x @ p[2] + p[3])
            return x @ p[4] + p[5]
        x = pool(jnp.tanh(convolve(x, p[0], p[1])), nhwc)
        x = pool(jnp.tanh(convolve(x, p[2], p[3])), nhwc)
        if nhwc:
            x = x.transpose(0, 3, 1, 2)
        x = jnp.tanh(x.reshape(len(x), -1) @ p[4] + p[5])
        return x @ p[6] + p[7]

    def loss(p: list[Any], x: Any, y: Any) -> Any:
        log_p = jax.nn.log_softmax(logits(p, x))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    return loss


def built_in(x: Any, w: Any, b: Any) -> Any:
    return lax.conv(x, w, (1, 1), "VALID") + b[:, None, None]


def built_in_nhwc(x: Any, w: Any, b: Any) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "OIHW", "NHWC")) + b


def matmuls(x: Any, w: Any, b: Any) -> Any:
    """NHWC; one matmul per kernel row of the windows along the width: XLA's own gradient is slow on a CPU."""
    outputs, inputs, size, _ = w.shape
    if inputs == 1:
        return built_in_nhwc(x, w, b)
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    columns = jnp.concatenate([x[:, :, j : j + width] for j in range(size)], axis=-1)
    rows = w.transpose(2, 3, 1, 0).reshape(size, size * inputs, outputs)
    return sum(columns[:, i : i + height] @ rows[i] for i in range(size)) + b


def pool(x: Any, nhwc: bool) -> Any:
    """Largest of strided slices: reduce_window's gradient is slow on a CPU."""
    if nhwc:
        rows = jnp.maximum(x[:, ::2], x[:, 1::2])
        return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def make_step(model: str, convolve: Callable[..., Any]) -> Callable[..., Any]:
    loss = loss_of(model, convolve, convolve is not built_in)

    def step(parameters: Any, x: Any, y: Any) -> tuple[Any, Any]:
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        return [w - RATE * g for w, g in zip(parameters, gradients, strict=True)], value

    return step


def placed(convolve: Callable[..., Any], images: Any, labels: Any) -> tuple[Any, Any]:
    if convolve is not built_in:
        images = images.transpose(0, 1, 3, 4, 2)
    return images, labels.astype("int32")


def by_step(
    step: Callable[..., Any], convolve: Callable[..., Any], images: Any, labels: Any, parameters: Any, device: str
) -> Run:
    put = partial(jax.device_put, device=jax.devices(device)[0])
    batches = [(put(x), put(y)) for x, y in zip(*placed(convolve, images, labels), strict=True)]
    parameters = put(parameters)

    def run(first: int, count: int) -> float:
        nonlocal parameters
        for index in range(first, first + count):
            parameters, loss = step(parameters, *batches[index % len(batches)])
        jax.block_until_ready(parameters)
        return float(loss)

    return run


def by_loop(
    step: Callable[..., Any], convolve: Callable[..., Any], images: Any, labels: Any, parameters: Any, device: str
) -> Run:
    put = partial(jax.device_put, device=jax.devices(device)[0])
    images, labels = (put(array) for array in placed(convolve, images, labels))
    parameters, loss = put(parameters), put(jnp.zeros(()))

    @partial(jax.jit, donate_argnums=(0,))
    def steps(carried: Any, images: Any, labels: Any, first: Any, count: Any) -> Any:
        def body(index: Any, carried: Any) -> Any:
            return step(carried[0], images[index % len(images)], labels[index % len(images)])

        return lax.fori_loop(first, first + count, body, carried)

    def run(first: int, count: int) -> float:
        nonlocal parameters, loss
        parameters, loss = steps((parameters, loss), images, labels, first, count)
        jax.block_until_ready(parameters)
        return float(loss)

    return run


def op_by_op(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_step(make_step(model, built_in), built_in, images, labels, list(weights.values()), device)


def op_by_op_nhwc(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_step(make_step(model, built_in_nhwc), built_in_nhwc, images, labels, list(weights.values()), device)


def jit(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_step(
        jax.jit(make_step(model, built_in), donate_argnums=0), built_in, images, labels, list(weights.values()), device
    )


def jit_matmuls(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_step(
        jax.jit(make_step(model, matmuls), donate_argnums=0), matmuls, images, labels, list(weights.values()), device
    )


def fori_loop(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_loop(make_step(model, built_in), built_in, images, labels, list(weights.values()), device)


def fori_loop_matmuls(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_loop(make_step(model, matmuls), matmuls, images, labels, list(weights.values()), device)


LOOPS = {"eager": (op_by_op, op_by_op_nhwc), "compiled": (jit, jit_matmuls), "fused": (fori_loop, fori_loop_matmuls)}
