"""Our FLOP formula against XLA's cost analysis, run inside jax's environment.

XLA counts elementwise work too, and of a padded convolution only the taps that meet the image. It is asked before it
optimises, which makes other products of some (an LSTM's, depthwise convolutions'). The networks are those of native.py,
written plainly, without activations and norms: beside a depthwise convolution these are a tenth of the work.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from adapters.declaration import Conv2D, Model, layers
from adapters.flops import model_flops
from adapters.jax import native
from adapters.recipes import MODELS

BATCH = 100


def counted(function, *arguments):
    return jax.jit(function).lower(*arguments).cost_analysis()["flops"] / BATCH


def taps_on_the_image(extent, kernel, stride, padding):
    """Count, along one axis, the products of kernel elements with real pixels, over all outputs."""
    outputs = (extent + 2 * padding - kernel) // stride + 1
    return sum(0 <= o * stride - padding + k < extent for o in range(outputs) for k in range(kernel))


def padded_flops(model):
    """Return (forward, training) FLOPs that multiply zeros of the padding, which XLA does not count."""
    forward = training = 0
    for place in model.places():
        if isinstance(layer := place.layer, Conv2D):
            rows, columns = (taps_on_the_image(n, layer.kernel, layer.stride, layer.padding) for n in place.before[1:])
            all_taps = place.after[1] * place.after[2] * layer.kernel**2
            cost = 2 * layer.channels * (place.before[0] // layer.groups) * (all_taps - rows * columns)
            forward += cost
            training += cost * (3 if place.inner else 2)
    return forward, training


def products(described):
    """Return described layers without those that multiply no matrices and keep the shape."""
    kept = [layer for layer in described if layer["type"] not in ("Activation", "BatchNorm", "LayerNorm", "RMSNorm")]
    return [layer | {side: products(layer[side]) for side in ("branch", "shortcut") if side in layer} for layer in kept]


@pytest.mark.parametrize("name", MODELS)
def test_xla_counts_the_same_within_2_percent_once_padded_taps_are_subtracted(name, monkeypatch):
    monkeypatch.setattr(lax, "scan", partial(lax.scan, unroll=True))  # of a loop it counts one turn
    model: Model = MODELS[name]
    parameters = {p.name: jnp.ones(p.shape, jnp.float32) * 0.01 for p in model.parameters()}
    images = jnp.ones((BATCH, *model.input_shape), jnp.float32)
    slopes = jnp.ones((BATCH, model.outputs), jnp.float32)
    network = partial(native.network, products(layers(model)))
    found = (
        counted(network, parameters, images),
        counted(jax.value_and_grad(lambda p, x: (network(p, x) * slopes).sum()), parameters, images),
    )
    for kind, ours, padded, xla in zip(
        ("forward", "training"), model_flops(model), padded_flops(model), found, strict=True
    ):
        print(f"{name} {kind}: XLA / ours {xla / ours:.4f}, padded taps subtracted {xla / (ours - padded):.4f}")
        assert xla / (ours - padded) == pytest.approx(1, abs=0.02)
