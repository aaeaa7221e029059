"""The reference network takes some of a launch's timed steps again: did the timed run compute what is declared?

A worker leaves the weights before and after some of its timed steps, and its last outputs (worker/replay.py). After it
has ended, the float64 reference network starts from the same weights on the same batches, in this process. What the
steps moved is compared by parameter and over all: the norm of the difference; over all also the length along the
reference's way, which noise in other directions hardly changes. The length shows a rate that is off, and steps left
out, in narrow types too. What rounding of the weights themselves can do is taken off first.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.contract import storage
from adapters.declaration import Recipe
from adapters.numpy import NumpyAdapter
from adapters.weights import Weights
from benchmarks.plan.cells import Cell
from benchmarks.worker import replay
from benchmarks.worker.inputs import Inputs
from benchmarks.worker.lockstep.bounds import REPLAY_BOUNDS
from benchmarks.worker.replay import Evaluation, Window
from benchmarks.worker.train import readings

Array = npt.NDArray[Any]
Row = dict[str, Any]
EVALUATED = 250  # test images, drawn by chance
SCORED_AGAIN = 0.002  # a card may evaluate twice with other roundings
ALL = "all weights"
HUGE = 1e300  # stands for what is not finite, which JSON cannot say


class _Deviation(NamedTuple):
    """How far off steps are: the norm of the difference, and the length along the reference's way; both relative."""

    norm: float
    scale: float
    place: str
    of_all: bool


@dataclass
class Judge:
    """Takes a launch's steps again and evaluates its weights; of `inputs` it takes the epoch's order and the images."""

    cell: Cell
    recipe: Recipe
    inputs: Inputs  # float64

    def __post_init__(self) -> None:
        self.oracle = NumpyAdapter(self.recipe, "cpu", "eager", "float64")
        self.bounds = REPLAY_BOUNDS[self.cell.dtype]

    def columns(self, file: Path, accuracy: float | None = None) -> Row:
        """Return the row's columns on what a worker left, with status and reason if it is beyond a bound.

        `accuracy` is what the worker says that its last outputs have, on all test images.
        """
        begin = time.monotonic()
        try:
            windows, evaluation = replay.read(file)
            found = self._trained(windows) | self._evaluated(evaluation)
            if accuracy is not None and "status" not in found:
                found |= self._scored(evaluation, accuracy)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"what the worker left of its timed steps cannot be read: {type(error).__name__}: {error}"
            return {"status": "invalid", "reason": reason}
        return found | {"replay_s": time.monotonic() - begin}

    def _trained(self, windows: list[Window]) -> Row:
        """Return the columns on steps of training."""
        if not windows:
            return {}
        found = [deviation for window in windows for deviation in self._deviations(window)]
        norm = max(found, key=lambda one: one.norm)
        scale = max((one for one in found if one.of_all), key=lambda one: one.scale)
        row = {
            "replayed_steps": sum(window.steps for window in windows),
            "replay_deviation": norm.norm,
            "replay_scale_deviation": scale.scale,
        }
        for what, one, value, bound in (
            ("what they moved deviates", norm, norm.norm, self.bounds.deviation),
            ("how far they moved deviates", scale, scale.scale, self.bounds.scale),
        ):
            if not value < bound:
                reason = (
                    f"the timed steps are not the declared ones: {one.place}, {what} by {value:.1e} from the "
                    f"reference network's (bound {bound:.0e})"
                )
                return row | {"status": "invalid", "reason": reason}
        return row

    def _deviations(self, window: Window) -> Iterator[_Deviation]:
        """Yield the deviation of each parameter, and of all."""
        after = self._taken_again(window)
        parts = {name: (window.before[name], window.after[name], array) for name, array in after.items()}
        parts[ALL] = _flat(window.before), _flat(window.after), _flat(after)
        for name, (start, found, expected) in parts.items():
            steps = f"{window.steps} steps" if window.steps > 1 else "a step"
            place = f"{steps} of chunk {window.chunk + 1}, {name}"
            ulp = np.spacing(np.maximum(np.abs(start), np.abs(found)).astype(storage(self.cell.dtype)))
            rounding = math.sqrt(window.steps) * float(np.linalg.norm(ulp.astype(np.float64)))
            apart = _apart(found - start.astype(np.float64), expected - start, rounding)
            yield _Deviation(*apart, place, name == ALL)

    def _taken_again(self, window: Window) -> Weights:
        """Return the reference network's weights after a window's steps."""
        self.oracle.set_weights(window.before)
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
        images = np.array(sorted(random.SystemRandom().sample(range(len(evaluation.outputs)), self._drawn(evaluation))))
        [(stack, labels)] = self.inputs.cut(self.inputs.test_images, self.inputs.test_labels, images, len(images))
        self.oracle.set_weights(evaluation.weights)
        expected = self.oracle.fetch(self.oracle.evaluate(self.oracle.put(stack, labels), 0, 1))
        found = evaluation.outputs[images]
        if found.shape != expected.shape:
            reason = f"evaluation left outputs {found.shape} where {expected.shape} were asked for"
            return {"status": "invalid", "reason": reason}
        deviation = outputs_deviation(found, expected)
        row = {"eval_deviation": deviation}
        if not deviation < self.bounds.outputs:
            reason = (
                f"the outputs of the last evaluation deviate by {deviation:.1e} from the reference network's at the "
                f"same weights (bound {self.bounds.outputs:.0e})"
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

    @staticmethod
    def _drawn(evaluation: Evaluation) -> int:
        return min(EVALUATED, len(evaluation.outputs))


def _apart(found: Array, expected: Array, rounding: float) -> tuple[float, float]:
    """Return how far a displacement is off in norm and in length, beyond what rounding may have done."""
    if not np.isfinite(found).all():
        return HUGE, HUGE
    length = float(np.linalg.norm(expected))
    error = max(0.0, float(np.linalg.norm(found - expected)) - rounding)
    along = abs(float(np.vdot(found - expected, expected))) / length if length else 0.0
    if not length:
        return (HUGE, HUGE) if error else (0.0, 0.0)
    return error / length, max(0.0, along - rounding) / length


def outputs_deviation(found: Array, expected: Array) -> float:
    """Return the largest difference of outputs (N, K), relative to their largest distance from their mean image's."""
    spread = float(np.abs(expected - expected.mean(axis=0)).max())
    difference = float(np.nan_to_num(np.abs(found - expected), nan=HUGE, posinf=HUGE).max())
    return difference / spread if spread else (HUGE if difference else 0.0)


def _flat(weights: Weights) -> Array:
    """Return all parameters as one vector."""
    return np.concatenate([array.ravel() for array in weights.values()])
