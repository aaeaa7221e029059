"""Plain JAX for the networks of today: lax's convolutions, jax.nn's attention, lax.scan over an LSTM's steps.

The declared weights by name and images NHWC go in, logits and what the batch does to running statistics come out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from adapters.declaration import SGD
from adapters.recipes import RECIPES
from tests.baselines.loops.jax import Run, built_in_nhwc, by_loop, by_step

EPSILON, KEPT = 1e-5, 0.9
Arrays = dict[str, Any]


def normalised(p: Arrays, name: str, x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    y = (x - mean) * lax.rsqrt(variance + EPSILON) * p[f"{name}.weight"] + p[f"{name}.bias"]
    return y, mean.squeeze(), variance.squeeze()


def layer_norm(p: Arrays, number: int, x: Any) -> Any:
    return normalised(p, f"layernorm{number}", x, (-1,))[0]


def dense(p: Arrays, number: int, x: Any) -> Any:
    return x @ p[f"dense{number}.weight"] + p[f"dense{number}.bias"]


def resnet(p: Arrays, x: Any) -> tuple[Any, Arrays]:
    moved = {}

    def unit(number: int, x: Any, stride: int = 1) -> Any:
        w = p[f"conv{number}.weight"]
        pad, name = (w.shape[2] // 2,) * 2, f"batchnorm{number}"
        y = lax.conv_general_dilated(x, w, (stride, stride), (pad, pad), dimension_numbers=("NHWC", "OIHW", "NHWC"))
        y, mean, variance = normalised(p, name, y, (0, 1, 2))
        for part, found in (("mean", mean), ("variance", variance)):
            moved[f"{name}.{part}"] = KEPT * p[f"{name}.{part}"] + (1 - KEPT) * found
        return y

    x = jax.nn.relu(unit(1, x))
    x = jax.nn.relu(x + unit(3, jax.nn.relu(unit(2, x))))
    x = jax.nn.relu(unit(6, x, 2) + unit(5, jax.nn.relu(unit(4, x, 2))))
    x = jax.nn.relu(unit(9, x, 2) + unit(8, jax.nn.relu(unit(7, x, 2))))
    return dense(p, 1, x.mean((1, 2))), moved


def vit(p: Arrays, x: Any) -> tuple[Any, Arrays]:
    b = len(x)
    x = dense(p, 1, x.reshape(b, 7, 4, 7, 4).transpose(0, 1, 3, 2, 4).reshape(b, 49, 16)) + p["position1.weight"]
    for block in (1, 2):
        mixed = layer_norm(p, 2 * block - 1, x) @ p[f"attention{block}.weight"]
        heads = (part.reshape(b, 49, 4, 16) for part in jnp.split(mixed, 3, -1))
        x = x + jax.nn.dot_product_attention(*heads).reshape(b, 49, 64) @ p[f"attention{block}.output_weight"]
        y = jax.nn.gelu(dense(p, 2 * block, layer_norm(p, 2 * block, x)), approximate=False)
        x = x + dense(p, 2 * block + 1, y)
    return dense(p, 6, layer_norm(p, 5, x).mean(1)), {}


def lstm(p: Arrays, x: Any) -> tuple[Any, Arrays]:
    gates = x.reshape(len(x), 28, 28).swapaxes(0, 1) @ p["lstm1.weight"] + p["lstm1.bias"]  # of all steps at once

    def step(carried: Any, added: Any) -> Any:
        h, c = carried
        i, f, g, o = jnp.split(added + h @ p["lstm1.recurrent_weight"], 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((len(x), 128), x.dtype)
    return dense(p, 1, lax.scan(step, (zeros, zeros), gates)[0][0]), {}


def make_step(model: str) -> Callable[[Any, Any, Any], Any]:
    declared, forward = RECIPES[model].optimiser, {"resnet": resnet, "vit": vit, "lstm": lstm}[model]

    def loss_of(p: Arrays, x: Any, y: Any) -> Any:
        logits, moved = forward(p, x)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)), moved

    def nesterov(w: Any, g: Any, v: Any) -> Any:
        v = declared.momentum * v + g
        return w - declared.rate * (g + declared.momentum * v), v

    def adam(t: Any, w: Any, g: Any, m: Any, s: Any) -> Any:
        m, s = declared.beta1 * m + (1 - declared.beta1) * g, declared.beta2 * s + (1 - declared.beta2) * g * g
        change = m / (1 - declared.beta1**t) / (jnp.sqrt(s / (1 - declared.beta2**t)) + declared.epsilon)
        return w - declared.rate * (declared.weight_decay * w + change), m, s

    def step(state: Any, x: Any, y: Any) -> Any:
        t, p, *state = state
        (loss, moved), gradients = jax.value_and_grad(loss_of, has_aux=True)(p, x, y)
        update = nesterov if isinstance(declared, SGD) else partial(adam, t + 1)
        found = {k: (moved[k], *(part[k] for part in state)) if k in moved else None for k in p}
        for k in p:
            found[k] = found[k] or update(p[k], gradients[k], *(part[k] for part in state))
        return (t + 1, *({k: parts[i] for k, parts in found.items()} for i in range(1 + len(state)))), loss

    return step


def state_of(model: str, weights: Arrays) -> Any:
    """Return the number of steps that were taken, the parameters, and the optimiser's arrays of each."""
    slots = 1 if isinstance(RECIPES[model].optimiser, SGD) else 2
    return np.float32(0), weights, *({name: np.zeros_like(array) for name, array in weights.items()},) * slots


def jit(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    step = jax.jit(make_step(model), donate_argnums=0)
    return by_step(step, built_in_nhwc, images, labels, state_of(model, weights), device)


def fori_loop(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return by_loop(make_step(model), built_in_nhwc, images, labels, state_of(model, weights), device)


LOOPS = {"eager": (), "compiled": (jit,), "fused": (fori_loop,)}
