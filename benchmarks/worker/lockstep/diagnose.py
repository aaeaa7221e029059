"""When losses part: which layer, gradient or rule of update is to blame? Runs inside a framework's environment.

Everything is asked of the adapter through its contract, at the oracle's own weights just before the step, in the
order in which a step computes: weights, outputs layer by layer, loss, gradients, update.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter
from adapters.declaration import SGD, Adam, Dense, Flatten, Layer, Model, Optimiser, Place, Residual
from adapters.numpy import NumpyAdapter, functions
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
    for place, prefix, known in _prefixes(adapter.recipe.model, start):
        recipe = replace(adapter.recipe, model=prefix, loss="cross_entropy")
        pair = (
            type(adapter)(recipe, adapter.device, adapter.mode, adapter.precision),
            NumpyAdapter(recipe, dtype="float64"),
        )
        some, wanted = (_sorted(_evaluated(a, known, batch), place) for a in pair)
        if (deviation := _part(some, wanted)) > 100 * bound:
            layer = "the sum of its Residual" if isinstance(place.layer, Residual) else place.layer
            return f"outputs part at layer {place.at}, {layer}, by {_describe(deviation)}"
    return (
        f"outputs part by {_describe(deviation)}, though every layer alone agrees: is there another layer at the end?"
    )


def _prefixes(model: Model, start: Weights) -> Iterator[tuple[Place, Model, Weights]]:
    """Yield for each place what is computed up to it as a model that ends there, flattened, and its weights.

    What has no weights of its own is no model; tokens get a Dense that changes nothing.
    """
    places = model.places()
    for place in places:
        path = place.at.split(".")
        kept = [start[p.name] for p in model.arrays() if _stands_before(places[p.place].at.split("."), path)]
        tokens, ends = len(place.after) == 2, () if len(place.after) == 1 else (Flatten(),)
        if tokens and not kept:
            kept, ends = [np.eye(place.after[1])], (Dense(place.after[1], bias=False), *ends)
        if kept:
            prefix = replace(model, name=f"{model.name}[:{place.at}]", layers=(*_up_to(model.layers, path), *ends))
            yield place, prefix, dict(zip((p.name for p in prefix.arrays()), kept, strict=True))


def _up_to(layers: tuple[Layer, ...], path: list[str]) -> tuple[Layer, ...]:
    """Return what is computed up to a place as one chain: of a Residual that it is within, one side."""
    index = int(path[0])
    if len(path) == 1:
        return layers[: index + 1]
    return (*layers[:index], *_up_to(getattr(layers[index], path[1]), path[2:]))


def _stands_before(place: list[str], last: list[str]) -> bool:
    """Return whether a place is part of the chain that _up_to makes of the last one's path."""
    for own, other in zip(place, last, strict=False):
        if own != other:
            return own.isdigit() and int(own) < int(other)
    return len(place) >= len(last)


def _sorted(outputs: Array, place: Place) -> Array:
    """Return outputs (N, K) sorted, tokens each for itself.

    A framework may flatten an image in its own order, as long as the next layer knows it.
    """
    return np.sort(outputs.reshape(len(outputs), *place.after) if len(place.after) == 2 else outputs, axis=-1)


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
    if deviation <= 10 * bound:
        return ""
    said = f"outputs agree, the loss is {found / expected:.9g} times the declared one"
    return said + _loss_instead(adapter, start, batch, found, bound)


def _loss_instead(adapter: Adapter, start: Weights, batch: tuple[Array, Array], found: float, bound: float) -> str:
    """Return what the loss is the right one of, if that is a known one."""
    recipe = adapter.recipe
    oracle = NumpyAdapter(recipe, "cpu", "eager", "float64")
    oracle.set_weights(start)
    images = oracle.put(*batch).images[0]
    if oracle.keeping:
        oracle.train_mode(False)
        running, _ = functions.loss(recipe, oracle.forward(images), batch[1][0])
        oracle.train_mode(True)
        if loss_deviations(found, np.array(running), adapter.precision) < 10 * bound:
            return ", and that of the running statistics: training has to normalise by its batch's"
    if not recipe.label_smoothing:
        return ""
    outputs = oracle.forward(images)
    none, whole = (functions.cross_entropy(outputs, batch[1][0], smoothing)[0] for smoothing in (0.0, 1.0))
    return f", and that of a label_smoothing of {(found - none) / (whole - none):.6g}"


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
                said = (
                    f"gradients agree, {which} of {name} differs by {difference:.1e} of its length"
                    f" ({factor:.9g} times the declared one)"
                )
                return said + _update_instead(adapter, start, batch, steps, name, found[name])
    return ""


def _update_instead(
    adapter: Adapter, start: Weights, batch: tuple[Array, Array], steps: int, name: str, found: Array
) -> str:
    """Return which other update makes of a parameter what was found, if that is a known one."""
    for words, optimiser in _others(adapter.recipe.optimiser):
        oracle = NumpyAdapter(replace(adapter.recipe, optimiser=optimiser), "cpu", "eager", "float64")
        oracle.set_rate(adapter.rate)
        if _part(found - start[name], _trained(oracle, start, batch, steps)[1][name] - start[name]) < 1e-6:
            return f": it is that {words}"
    return ""


def _others(optimiser: Optimiser) -> Iterator[tuple[str, Optimiser]]:
    """Yield optimisers that are taken for this one, and what they are."""
    match optimiser:
        case SGD(nesterov=True):
            yield "of momentum without Nesterov's step", replace(optimiser, nesterov=False)
        case Adam(weight_decay=decay) if decay:
            yield "without weight decay", replace(optimiser, weight_decay=0.0)


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


def evaluation_instead(oracle: NumpyAdapter, tests: tuple[Array, Array], found: Array) -> str:
    """Return what an evaluation's outputs (N, K) are the right ones of, if that is known."""
    if not oracle.keeping:
        return ""
    by_batch = np.concatenate([oracle.forward(images).copy() for images in oracle.put(*tests).images])
    return " by its batches' own statistics" if _part(found, by_batch) < 1e-3 else ""
