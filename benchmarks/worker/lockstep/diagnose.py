"""When losses part: which layer, gradient or rule of update is to blame? Runs inside a framework's environment.

Everything is asked of the adapter through its contract, at the oracle's own weights just before the step, in the
order in which a step computes: weights, outputs layer by layer, loss, gradients, update.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter
from adapters.declaration import Flatten, Model
from adapters.numpy import NumpyAdapter
from adapters.weights import Weights
from benchmarks.worker.inputs import copied
from benchmarks.worker.lockstep.bounds import loss_deviations
from benchmarks.worker.train import BatchCursor

Array = npt.NDArray[Any]
FLOAT32_LIKE = (1e-9, 1e-5)
UPDATES = 4


def locate(
    adapter: Adapter, weights: Weights, images: Array, labels: Array, step: int, bound: float, input: str
) -> str:
    """Return one clause that names what parts first at `step` (from 0); images (S, B, C, H, W) float64.

    The arithmetic is asked on preloaded batches, which batch a step sees through the cell's own input.
    """
    oracle = NumpyAdapter(adapter.recipe, "cpu", "eager", "float64")
    oracle.set_weights(weights)
    oracle.train(oracle.put(images, labels), 0, step)
    start = oracle.get_weights()
    batch = images[step : step + 1], labels[step : step + 1]
    for question in (_changed_weights, _outputs, _loss, _gradient, _update):
        if answer := question(adapter, oracle, start, batch, bound):
            return answer
    if step and (answer := _step_before(adapter, oracle, weights, (images, labels), step - 1, bound)):
        return answer
    return _order(adapter, oracle, start, (images, labels), step, bound, input)


def _step_before(
    adapter: Adapter, oracle: Adapter, weights: Weights, batches: tuple[Array, Array], step: int, bound: float
) -> str:
    """Does `step` itself agree? A loss stands before its update: that of the next one is the first to show a fault.

    A slope of its own at 0 shows only while biases are 0 and pixels black, which is before the first step.
    """
    images, labels = batches
    oracle.set_weights(weights)
    oracle.train(oracle.put(images, labels), 0, step)
    start, batch = oracle.get_weights(), (images[step : step + 1], labels[step : step + 1])
    answer = _gradient(adapter, oracle, start, batch, bound) or _update(adapter, oracle, start, batch, bound)
    return answer and f"at step {step + 1}, {answer}"


def _part(found: Array, expected: Array) -> float:
    """Return the largest difference relative to the largest value expected."""
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max()) / scale


def _describe(deviation: float) -> str:
    """Return a deviation, with a hint where it has the size of float32's rounding."""
    low, high = FLOAT32_LIKE
    return f"{deviation:.1e}" + (
        ", about float32's precision: is it computed in float32?" if low < deviation < high else ""
    )


def _changed_weights(
    adapter: Adapter, oracle: Adapter, start: Weights, batch: tuple[Array, Array], bound: float
) -> str:
    """Do weights come back as they were set?"""
    adapter.set_weights(copied(start))
    for name, array in adapter.get_weights().items():
        if (deviation := _part(array, start[name])) > bound:
            return f"set_weights does not keep {name} (differs by {_describe(deviation)})"
    return ""


def _outputs(adapter: Adapter, oracle: Adapter, start: Weights, batch: tuple[Array, Array], bound: float) -> str:
    """Do outputs agree, and if not, from which layer on?"""
    found, expected = (_evaluated(a, start, batch) for a in (adapter, oracle))
    if (deviation := _part(found, expected)) < 100 * bound:
        return ""
    for factor in (255.0, 1 / 255.0):
        if _part(found, _evaluated(oracle, start, (batch[0] * factor, batch[1]))) < 1e-6:
            return f"outputs are those of pixels multiplied by {factor:g}"
    layers = adapter.recipe.model.layers
    first = min(parameter.place for parameter in adapter.recipe.model.parameters())
    for end in range(int(adapter.recipe.model.places()[first].at.partition(".")[0]), len(layers)):
        prefix = _shortened(adapter.recipe.model, end)
        recipe = replace(adapter.recipe, model=prefix, loss="cross_entropy")
        known = {parameter.name: start[parameter.name] for parameter in prefix.arrays()}
        pair = (
            type(adapter)(recipe, adapter.device, adapter.mode, adapter.precision),
            NumpyAdapter(recipe, dtype="float64"),
        )
        # Sorted, because a framework may flatten an image in its own order as long as the next layer knows it.
        some, wanted = (np.sort(_evaluated(a, known, batch), axis=1) for a in pair)
        if (deviation := _part(some, wanted)) > 100 * bound:
            return f"outputs part at layer {end}, {layers[end]}, by {_describe(deviation)}"
    return (
        f"outputs part by {_describe(deviation)}, though every layer alone agrees: is there another layer at the end?"
    )


def _shortened(model: Model, end: int) -> Model:
    """Return the model up to and including layer `end`, flattened at its end."""
    kept = model.layers[: end + 1]
    flat = () if len(model.shapes()[end + 1]) == 1 else (Flatten(),)
    return replace(model, name=f"{model.name}[:{end + 1}]", layers=(*kept, *flat))


def _evaluated(adapter: Adapter, weights: Weights, batch: tuple[Array, Array]) -> Array:
    """Return the outputs (N, K) of one batch at given weights."""
    adapter.set_weights(copied(weights))
    preloaded = adapter.put(batch[0].astype(adapter.dtype), batch[1].copy())
    return np.asarray(adapter.fetch(adapter.evaluate(preloaded, 0, 1)), np.float64)


def _trained(adapter: Adapter, weights: Weights, batch: tuple[Array, Array], steps: int) -> tuple[float, Weights]:
    """Return (first loss, weights) after `steps` steps on one batch from given weights."""
    adapter.set_weights(copied(weights))
    preloaded = adapter.put(batch[0].astype(adapter.dtype), batch[1].copy())
    adapter.train(preloaded, 0, 1)
    first = float(adapter.losses(preloaded)[0])
    adapter.train(preloaded, 0, steps - 1)
    return first, adapter.get_weights()


def _loss(adapter: Adapter, oracle: Adapter, start: Weights, batch: tuple[Array, Array], bound: float) -> str:
    """Does the loss agree where the outputs do?"""
    found, expected = (_trained(a, start, batch, 1)[0] for a in (adapter, oracle))
    if np.isnan(found):
        return "there is no loss: the batch was not trained on"
    deviation = float(loss_deviations(found, np.array(expected), adapter.precision))
    return f"outputs agree, the loss is {found / expected:.9g} times the declared one" if deviation > 10 * bound else ""


def _gradient(adapter: Adapter, oracle: Adapter, start: Weights, batch: tuple[Array, Array], bound: float) -> str:
    """Do gradients agree? Backward runs from the end, so the last parameter that parts is the first to blame."""
    slopes = []
    for a in (adapter, oracle):
        a.set_weights(copied(start))
        slopes.append(a.gradients(a.put(batch[0].astype(a.dtype), batch[1].copy()), 0))
    for name in reversed(slopes[1]):
        if (deviation := _part(slopes[0][name], slopes[1][name])) > 100 * bound:
            return f"outputs and loss agree, the gradient of {name} parts by {_describe(deviation)}"
    return ""


def _update(adapter: Adapter, oracle: Adapter, start: Weights, batch: tuple[Array, Array], bound: float) -> str:
    """Do the weights agree after one step, two steps, ...? The second shows the optimiser's state."""
    for steps in range(1, UPDATES + 1):
        found, expected = (_trained(a, start, batch, steps)[1] for a in (adapter, oracle))
        for name, array in expected.items():
            moved = array - start[name]
            difference = float(np.linalg.norm(found[name] - array)) / (float(np.linalg.norm(moved)) or 1.0)
            if difference > 1000 * bound:
                factor = float((found[name] - start[name]).ravel() @ moved.ravel() / (moved.ravel() @ moved.ravel()))
                which = (
                    "the first update" if steps == 1 else f"update {steps}, after equal ones: the optimiser's state,"
                )
                return (
                    f"gradients agree, {which} of {name} differs by {difference:.1e} of its length"
                    f" ({factor:.9g} times the declared one)"
                )
    return ""


def _order(
    adapter: Adapter, oracle: Adapter, start: Weights, batches: tuple[Array, Array], step: int, bound: float, input: str
) -> str:
    """Is a step taken on another batch than the order says, or fed with other pixels?"""
    images, labels = batches
    with closing(BatchCursor(adapter, images.astype(adapter.dtype), labels, input)) as training:
        training.skip(step)
        before = training.losses()
        adapter.set_weights(copied(start))
        training.train(1)
        found = training.losses()
    seen = [int(index) for index in np.flatnonzero(np.isfinite(found) & (found != before))]
    if not seen:
        return f"there is no loss of batch {step + 1}: it was not trained on"

    def fits(index: int, factor: float = 1.0) -> bool:
        batch = images[index : index + 1] * factor, labels[index : index + 1]
        wanted = np.array(_trained(oracle, start, batch, 1)[0])
        return bool(loss_deviations(found[seen[0]], wanted, adapter.precision) < 10 * bound)

    for index in range(min(len(labels), step + 3)):
        same = np.array_equal(labels[index], labels[step]) and np.array_equal(images[index], images[step])
        if not same and fits(index):  # a data set of few images repeats its batches
            return f"step {step + 1} is taken on batch {index + 1}: the order of the batches is shifted"
    for factor in (255.0, 1 / 255.0):
        if fits(step, factor):
            return f"the pixels that are fed are multiplied by {factor:g}"
    return "one step from the oracle's weights agrees: look at what is kept from step to step"
