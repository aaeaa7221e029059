"""Our FLOP formula against XLA's cost analysis, run inside jax's environment.

XLA counts what it computes: elementwise work too, and of a padded convolution only the taps that meet the image.
The networks are written plainly here, not by the adapter, which rearranges convolutions on a CPU.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from adapters.declaration import Activation, Conv2D, Dense, Flatten, MaxPool2D, Model
from adapters.flops import model_flops
from adapters.recipes import MODELS

BATCH = 100
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def apply(layer, x, rest):
    match layer:
        case Conv2D(_, _, stride, padding):
            y = lax.conv_general_dilated(x, next(rest), (stride, stride), [(padding, padding)] * 2)
            return y + next(rest)[:, None, None]
        case Dense():
            return x @ next(rest) + next(rest)
        case MaxPool2D(size, stride):
            window = (1, 1, size, size)
            return lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 1, stride, stride), "VALID")
        case Activation(function):
            return ACTIVATIONS[function](x)
        case Flatten():
            return x.reshape(len(x), -1)


def forward(model, parameters, x):
    rest = iter(parameters)
    for layer in model.layers:
        x = apply(layer, x, rest)
    return x


def counted(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"] / BATCH


def taps_on_the_image(extent, kernel, stride, padding):
    """Count, along one axis, the products of kernel elements with real pixels, over all outputs."""
    outputs = (extent + 2 * padding - kernel) // stride + 1
    return sum(0 <= o * stride - padding + k < extent for o in range(outputs) for k in range(kernel))


def padded_flops(model):
    """Return (forward, training) FLOPs that multiply zeros of the padding, which XLA does not count."""
    forward = training = 0
    for index, (layer, before) in enumerate(zip(model.layers, model.shapes(), strict=False)):
        if isinstance(layer, Conv2D):
            after = model.shapes()[index + 1]
            rows, columns = (taps_on_the_image(n, layer.kernel, layer.stride, layer.padding) for n in before[1:])
            all_taps = after[1] * after[2] * layer.kernel**2
            cost = 2 * layer.channels * before[0] * (all_taps - rows * columns)
            forward += cost
            training += cost * (2 if index == 0 else 3)
    return forward, training


@pytest.mark.parametrize("name", MODELS)
def test_xla_counts_the_same_within_5_percent_once_padded_taps_are_subtracted(name):
    model: Model = MODELS[name]
    parameters = [jnp.ones(parameter.shape, jnp.float32) * 0.01 for parameter in model.parameters()]
    images = jnp.ones((BATCH, *model.input_shape), jnp.float32)
    slopes = jnp.ones((BATCH, model.outputs), jnp.float32)
    found = (
        counted(lambda p, x: forward(model, p, x), parameters, images),
        counted(jax.value_and_grad(lambda p, x: (forward(model, p, x) * slopes).sum()), parameters, images),
    )
    for kind, ours, padded, xla in zip(
        ("forward", "training"), model_flops(model), padded_flops(model), found, strict=True
    ):
        print(f"{name} {kind}: XLA / ours {xla / ours:.4f}, padded taps subtracted {xla / (ours - padded):.4f}")
        assert xla / (ours - padded) == pytest.approx(1, abs=0.05)
