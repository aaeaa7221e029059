"""The reference network takes some of a launch's timed steps again: did the timed run compute what is declared?

A worker leaves the weights before and after some of its timed steps, and its last outputs (worker/replay.py). After it
has ended, the float64 reference network starts from the same weights on the same batches, in this process. What the
steps moved is compared by parameter and over all: the norm of the difference; over all also the length along the
reference's way, which noise in other directions hardly changes. The length shows a rate that is off, and steps left
out, in narrow types too. What rounding of the weights themselves can do is taken off first. A parameter alone may
deviate more: where rounding flips the place of a maximum, a small one parts by some thousandths. Steps that rounding
alone may lead further apart are held to what it does to the reference network; where that hides what a launch has to
show, because training is not stable there, they are not judged and not counted.
"""

from __future__ import annotations

import math
import queue
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.contract import storage
from adapters.declaration import Recipe
from adapters.numpy import NumpyAdapter
from adapters.weights import Weights
from benchmarks.machine.hardware import physical_cpus
from benchmarks.plan.cells import Cell
from benchmarks.worker import replay
from benchmarks.worker.inputs import Inputs
from benchmarks.worker.libraries import numpy_on_one_thread
from benchmarks.worker.lockstep.bounds import EPSILON, SWAY, bounds_of, replay_bounds
from benchmarks.worker.lockstep.reference import HUGE, off_by, off_by_sums, outputs_apart
from benchmarks.worker.replay import Evaluation, Window
from benchmarks.worker.train import readings

Array = npt.NDArray[Any]
Row = dict[str, Any]
EVALUATED = 250  # test images, drawn by chance
PERTURBED = 5  # runs of the reference network from weights that are a little off
SUMS = 8  # roundings by which a sum of hundreds of products is off in storage precision
CHANCE = 10.0  # rounding at each step adds to that of the first
SHOWN = 0.04  # the length by which chance may be off where a rate that is 5 % off still shows
SCORED_AGAIN = 0.002  # a card may evaluate twice with other roundings
# The columns of each kind of deviation: of what all weights moved, of how far, and of what one parameter moved.
KINDS = {"all": "replay_deviation", "scale": "replay_scale_deviation", "parameter": "replay_parameter_deviation"}


PART = 125  # samples: what a convolution copies of so many stays in the cache


class PartedOracle(NumpyAdapter):
    """The reference network, which takes a batch in parts, on each core one at a time: it is on the way of a sweep.

    The loss is a mean over samples, so that a batch's gradients are the weighted sum of its parts'. Each part's
    products take one thread (numpy_on_one_thread). A BatchNorm has to see the whole batch.
    """

    def build(self) -> None:
        super().build()
        cores = len(physical_cpus())
        self.networks: queue.SimpleQueue[NumpyAdapter] = queue.SimpleQueue()  # they keep their buffers
        for _ in range(cores):
            self.networks.put(NumpyAdapter(self.recipe, "cpu", "eager", self.precision))
        self.cores = cores

    def differentiate(self, images: Array, labels: Array) -> float:
        """Leave the gradients of a batch, images (C, B, H, W), and return its loss."""
        if self.keeping:  # the statistics of a batch are of all its samples
            return super().differentiate(images, labels)
        parts = min(len(labels), max(self.cores, math.ceil(len(labels) / PART)))
        edges = np.linspace(0, len(labels), parts + 1).astype(int)
        with ThreadPoolExecutor(self.cores) as pool:
            found = list(pool.map(partial(self._part, images, labels), edges[:-1], edges[1:]))
        gradients = (np.sum(arrays, axis=0) for arrays in zip(*(arrays for _, arrays in found), strict=True))
        for layer, name in ((owner, name) for owner in self.weighted for name in owner.names):
            setattr(layer, f"{name}_gradient", next(gradients))
        return sum(loss for loss, _ in found)

    def _part(self, images: Array, labels: Array, first: int, last: int) -> tuple[float, list[Array]]:
        """Return what some samples add to the loss and to the gradients."""
        network, share = self.networks.get(), (last - first) / len(labels)
        for layer, own in zip(network.weighted, self.weighted, strict=True):
            for name in layer.names:
                setattr(layer, name, getattr(own, name))
        loss = network.differentiate(images[:, first:last], labels[first:last])
        gradients = [share * gradient for gradient in network.gradient_arrays()]
        self.networks.put(network)
        return share * loss, gradients


class _Deviation(NamedTuple):
    """How far off steps are, relative: a field of ReplayBounds, and where it was found."""

    kind: str
    value: float
    place: str


@dataclass
class Judge:
    """Takes a launch's steps again and evaluates its weights; of `inputs` it takes the epoch's order and the images."""

    cell: Cell
    recipe: Recipe
    inputs: Inputs  # float64

    def __post_init__(self) -> None:
        self.oracle = PartedOracle(self.recipe, "cpu", "eager", "float64")
        self.bounds = replay_bounds(self.cell.dtype, self.cell.batch_size)

    def columns(self, file: Path, accuracy: float | None = None) -> Row:
        """Return the row's columns on what a worker left, with status and reason if it is beyond a bound.

        `accuracy` is what the worker says that its last outputs have, on all test images; None of a launch that is
        timed, which evaluates full batches.
        """
        begin = time.monotonic()
        try:
            windows, evaluation = replay.read(file)
            found = self._complete(windows, evaluation, accuracy is None)
            with numpy_on_one_thread():
                found = found or self._trained(windows) | self._evaluated(evaluation)
            if accuracy is not None and "status" not in found:
                found |= self._scored(evaluation, accuracy)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"what the worker left of its timed steps cannot be read: {type(error).__name__}: {error}"
            return {"status": "invalid", "reason": reason}
        return found | {"replay_s": time.monotonic() - begin}

    def _complete(self, windows: list[Window], evaluation: Evaluation, timed: bool) -> Row:
        """Return status and reason if steps or outputs are missing."""
        images = len(self.inputs.test_labels)
        size = min(self.cell.batch_size, images)
        expected = (images // size * size if timed else images), self.recipe.model.outputs
        if evaluation.outputs.shape != expected:
            reason = f"the last evaluation left outputs {evaluation.outputs.shape} where {expected} were asked for"
            return {"status": "invalid", "reason": reason}
        if timed and not any(window.steps > 0 for window in windows):
            return {"status": "invalid", "reason": "the worker left none of its timed steps"}
        return {}

    def _trained(self, windows: list[Window]) -> Row:
        """Return the columns on steps of training."""
        row: Row = {}
        bounds = usual = {kind: getattr(self.bounds, kind) for kind in KINDS}
        for window in windows:
            again = self._taken_again(window, window.before)
            found = list(self._deviations(window, window.after, again))
            # What chance does from the weights of another window is often the same. Where it is so much that steps
            # would not be judged, it has to be that of these very steps.
            if _beyond(found, bounds if bounds["scale"] <= SHOWN else usual):
                chance = self._by_chance(window, again)
                bounds = {kind: max(usual[kind], chance[kind]) for kind in KINDS}
            wrong = _beyond(found, bounds)
            if not wrong and bounds["scale"] > SHOWN and _beyond(found, usual):
                continue
            row["replayed_steps"] = row.get("replayed_steps", 0) + window.steps
            for one in found:  # one of each parameter
                row[KINDS[one.kind]] = max(row.get(KINDS[one.kind], 0.0), one.value)
            if wrong:
                reason = (
                    f"the timed steps are not the declared ones: {wrong[0].place} deviates by {wrong[0].value:.1e} "
                    f"from the reference network's (bound {bounds[wrong[0].kind]:.0e})"
                )
                return row | {"status": "invalid", "reason": reason}
        return row

    def _by_chance(self, window: Window, again: Weights) -> dict[str, float]:
        """Return how far rounding alone may have led the steps apart, in each kind of deviation.

        A ReLU next to its bend goes either way, and where training is not stable the difference grows with each step.
        The reference network shows it: from weights that are off by no more than rounding it comes to others.
        """
        generator, largest = np.random.default_rng(), dict.fromkeys(KINDS, 0.0)
        off, times = EPSILON.get(self.cell.dtype, SUMS * float(np.finfo(storage(self.cell.dtype)).eps)) / 2, CHANCE
        if self.recipe.model.statistics() and self.cell.dtype == "float32":
            off, times = off_by_sums(self.recipe, self.cell.batch_size), SWAY
        for _ in range(PERTURBED):
            before = off_by(self.recipe, window.before, off, generator)
            after = self._taken_again(window, before)
            moved: Weights = {name: window.before[name] + (after[name] - before[name]) for name in after}
            for one in self._deviations(window, moved, again):
                largest[one.kind] = max(largest[one.kind], one.value)
        return {kind: times * value for kind, value in largest.items()}

    def _deviations(self, window: Window, found: Weights, expected: Weights) -> Iterator[_Deviation]:
        """Yield how far weights after a window's steps are apart: all weights, and each parameter."""
        steps = f"{window.steps} steps" if window.steps > 1 else "a step"
        place = f"{{}} {steps} of chunk {window.chunk + 1} moved {{}}"
        learnt = [parameter.name for parameter in self.recipe.model.parameters()]
        start, end, reached = (_flat(weights, learnt) for weights in (window.before, found, expected))
        norm, scale = self._apart(start, end, reached, window.steps)
        yield _Deviation("all", norm, place.format("what", "the weights"))
        yield _Deviation("scale", scale, place.format("how far", "the weights"))
        for name, array in expected.items():
            norm, _ = self._apart(window.before[name], found[name], array, window.steps)
            yield _Deviation("parameter", norm, place.format("what", name))

    def _apart(self, start: Array, found: Array, expected: Array, steps: int) -> tuple[float, float]:
        """Return how far a displacement is off in norm and in length, beyond what rounding of weights may have done."""
        if not np.isfinite(found).all():
            return HUGE, HUGE
        ulp = np.spacing(np.maximum(np.abs(start), np.abs(found)).astype(storage(self.cell.dtype)))
        rounding = math.sqrt(steps) * float(np.linalg.norm(ulp.astype(np.float64)))
        way, difference = expected - start, found - expected
        length = float(np.linalg.norm(way))
        error = max(0.0, float(np.linalg.norm(difference)) - rounding)
        if not length:
            return (HUGE, HUGE) if error else (0.0, 0.0)
        along = abs(float(np.vdot(difference, way))) / length
        return error / length, max(0.0, along - rounding) / length

    def _taken_again(self, window: Window, before: Weights) -> Weights:
        """Return the reference network's weights after a window's steps from some weights."""
        self.oracle.set_weights(before)
        order = self.inputs.order(0, self.cell.batch_size)
        batches = len(order) // self.cell.batch_size
        for step in range(window.steps):
            first = (window.first + step) % batches * self.cell.batch_size
            part = order[first : first + self.cell.batch_size]
            images, labels = self.inputs.train_images, self.inputs.train_labels
            [batch] = self.inputs.cut(images, labels, part, len(part))
            self.oracle.train(self.oracle.put(*batch), 0, 1)
        return self.oracle.get_weights()

    def _evaluated(self, evaluation: Evaluation) -> Row:
        """Return the columns on some outputs, drawn by chance."""
        outputs = len(evaluation.outputs)
        images = np.array(sorted(random.SystemRandom().sample(range(outputs), min(EVALUATED, outputs))))
        [(stack, labels)] = self.inputs.cut(self.inputs.test_images, self.inputs.test_labels, images, len(images))
        self.oracle.set_weights(evaluation.weights)
        expected = self.oracle.fetch(self.oracle.evaluate(self.oracle.put(stack, labels), 0, 1))
        found = evaluation.outputs[images]
        bounds = bounds_of(self.cell.framework, self.cell.dtype)
        deviation, bound = outputs_apart(self.oracle, found, expected, bounds, self.cell.dtype)
        row = {"eval_deviation": deviation}
        if not deviation < bound:
            reason = (
                f"the outputs of the last evaluation deviate by {deviation:.1e} from the reference network's at the "
                f"same weights (bound {bound:.0e})"
            )
            return row | {"status": "invalid", "reason": reason}
        return row

    def _scored(self, evaluation: Evaluation, accuracy: float) -> Row:
        """Return status and reason if the outputs do not have the accuracy that is reported."""
        labels = np.asarray(self.inputs.test_labels)
        read_as, _ = readings(evaluation.outputs.astype(np.float64), labels, self.recipe.loss)
        found = float((read_as == labels).mean())
        if abs(found - accuracy) <= SCORED_AGAIN:
            return {}
        reason = f"an accuracy of {accuracy:.4f} is reported, the last outputs have {found:.4f}"
        return {"status": "invalid", "reason": reason}


def _beyond(found: Iterable[_Deviation], bounds: Mapping[str, float]) -> list[_Deviation]:
    """Return the deviations that are not below the bound of their kind."""
    return [one for one in found if not one.value < bounds[one.kind]]


def _flat(weights: Weights, names: list[str]) -> Array:
    """Return the arrays of these names as one vector."""
    return np.concatenate([weights[name].ravel() for name in names])
