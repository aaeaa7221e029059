"""JAX as a careful user writes it: a dict of parameters, value_and_grad, one jitted step that donates its input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "mlp": [(784, 128), (128, 64), (64, 10)],
    "lenet": [(20, 1, 5, 5), (50, 20, 5, 5), (800, 500), (500, 10)],
}


def initial(model: str) -> list[tuple[Any, Any]]:
    keys = jax.random.split(jax.random.key(0), len(SHAPES[model]))
    pairs = []
    for key, shape in zip(keys, SHAPES[model], strict=True):
        fans = (1, 0) if len(shape) == 4 else (0, 1)  # axes of inputs and outputs
        pairs.append((jax.nn.initializers.glorot_uniform(*fans)(key, shape), jnp.zeros(shape[fans[1]])))
    return pairs


def logits(model: str, parameters: list[tuple[Any, Any]], x: Any) -> Any:
    *hidden, (w_last, b_last) = parameters
    activation = jax.nn.relu if model == "mlp" else jnp.tanh
    for w, b in hidden:
        if w.ndim == 4:
            x = activation(jax.lax.conv(x, w, (1, 1), "VALID") + b[:, None, None])
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        else:
            x = activation(x.reshape(len(x), -1) @ w + b)
    return x @ w_last + b_last


def make(model: str, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Callable[[int], None]:
    batches = [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in zip(images, labels, strict=True)]
    parameters = initial(model)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        log_p = jax.nn.log_softmax(logits(model, parameters, x))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    @partial(jax.jit, donate_argnums=0)
    def step(parameters: Any, x: Any, y: Any) -> tuple[Any, Any]:
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        return jax.tree.map(lambda w, g: w - 0.1 * g, parameters, gradients), value

    def run(steps: int) -> None:
        nonlocal parameters
        for index in range(steps):
            parameters, _ = step(parameters, *batches[index % len(batches)])
        jax.block_until_ready(parameters)

    return run
