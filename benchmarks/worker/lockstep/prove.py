"""The lockstep gate: does a framework compute what was declared? Runs inside its environment.

float64: the losses of N steps in one go, each within 1e-12 relative of the NumPy oracle's. Every difference in
the arithmetic shows there; rounding does not (measured: 1.7e-15).
float32: ten steps through the code that is timed, each restarted from the oracle's weights, because rounding
flips ties in ReLU and max pooling and free trajectories part. Loss, gradients, weights after the step and the outputs
on 1,000 test images are held to bounds.py.
tf32, bfloat16, float16: the same ten steps, held to their own bounds.

Samples with ties are left out of the ten steps. Where an input of a ReLU is next to zero, or two values of a window are
next to each other, float32 may take the other side. One such flip moves the gradient of a whole batch by 1e-3 and says
nothing about a framework: with them the NumPy adapter itself deviates by 4.5e-3 in float32, without them by 7e-7. What
float32 may do to each value is followed through the layers (running error analysis: Higham, Accuracy and Stability of
Numerical Algorithms, section 3.3).

bfloat16 and float16 have a least deviation, too: what is computed in float32 after all has no speed as bfloat16, and
it is nearer to the oracle than any bound asks. Rounding an operand is off by up to half an epsilon, and a product of
many such operands by a share of it that no average takes away: of the norm of gradients, of the weights' change by a
step, and of what outputs owe to the image.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter
from adapters.declaration import Adam, Optimiser, Recipe
from adapters.numpy import NumpyAdapter
from adapters.numpy.layers import Activation, Flatten, Pool2D, Weighted
from adapters.weights import Weights
from benchmarks.worker.inputs import Inputs
from benchmarks.worker.lockstep import diagnose
from benchmarks.worker.lockstep.bounds import BOUNDS, EPSILON, Bounds, bounds_of
from benchmarks.worker.protocol import CellAxes
from benchmarks.worker.train import BatchCursor

Array = npt.NDArray[Any]
FLOAT64_EPSILON = 2.0**-23  # a sum of products is off by about this times the sum of their magnitudes
TIED = 1e-6  # of that: float64's own rounding. Such ties come from equal patches, whose gradients are equal too
SPARE = 3  # candidates for every sample needed


def _tie_free(oracle: NumpyAdapter, images: Array) -> npt.NDArray[np.bool_]:
    """Return which samples (B,) no rounding in float32 can flip at the oracle's weights; images (B, C, H, W)."""
    x = np.ascontiguousarray(images.transpose(1, 0, 2, 3))
    error = np.zeros_like(x)
    unsure = np.zeros(len(images), np.bool_)
    for layer in oracle.layers:
        y = layer.forward(x).copy()  # a layer's buffer is its own
        if isinstance(layer, Weighted):
            error = _propagated(layer, x, error)
        elif isinstance(layer, Pool2D):
            errors = layer.views(error)
            largest = np.maximum.reduce(errors)
            for view in layer.views(x) if layer.largest else ():
                unsure |= _doubtful(y - view, 2 * largest)
            error = largest
        elif isinstance(layer, Flatten):
            error = layer.forward(error).copy()
        elif isinstance(layer, Activation):  # none of them is steeper than 1
            if layer.function == "relu":
                unsure |= _doubtful(np.abs(x), error)
            error = error + FLOAT64_EPSILON * np.abs(y)
        x = y
    return ~unsure


def _propagated(layer: Weighted, x: Array, error: Array) -> Array:
    """Return what a weighted layer makes of its input's errors, its own rounding added."""
    weight, bias = layer.weight, layer.bias
    layer.weight, layer.bias = np.abs(weight), np.zeros_like(bias)
    inherited = layer.forward(error).copy()
    layer.bias = np.abs(bias)
    magnitude = layer.forward(np.abs(x)).copy()
    layer.weight, layer.bias = weight, bias
    return np.asarray(inherited + FLOAT64_EPSILON * magnitude)


def _doubtful(gap: Array, error: Array) -> npt.NDArray[np.bool_]:
    """Return for each sample whether a gap lies within its error; (C, B, H, W) or (B, features)."""
    found = (gap < error) & (gap > TIED * error)
    return np.asarray(found.any(axis=(0, 2, 3) if gap.ndim == 4 else 1))


def _tie_free_batches(oracle: NumpyAdapter, images: Array, labels: Array, count: int) -> tuple[Array, Array]:
    """Return `count` batches out of more candidates, each without ties at the weights that the oracle then has.

    images (S, B, C, H, W) and labels (S, B) hold the candidates in order, S >= count; the oracle is trained on what
    is chosen. Where too few samples are free of ties, others fill the batch.
    """
    size = labels.shape[1]
    chosen: list[tuple[Array, Array]] = []
    first = 0  # of the candidates that no batch has looked at
    for step in range(count):
        last, found = first + 1, _tie_free(oracle, images[first])
        while found.sum() < size and len(labels) - last > count - step - 1:
            found = np.concatenate([found, _tie_free(oracle, images[last])])
            last += 1
        order = np.argsort(~found, kind="stable")[:size]
        pixels, digits = (part[first:last].reshape(-1, *part.shape[2:])[order] for part in (images, labels))
        oracle.train(oracle.put(pixels[None], digits[None]), 0, 1)
        chosen.append((pixels, digits))
        first = last
    return np.stack([pixels for pixels, _ in chosen]), np.stack([digits for _, digits in chosen])


HUGE = 1e300  # stands for what is not finite, which JSON cannot say
# Narrow types a cell insists on. TF32 is a permission: a library may find float32 faster for a small product.
INSISTS = ("bfloat16", "float16")
SHARE = 1 / 32  # of epsilon. float32 stays below: for float16 this is 3e-5, and its gradients' bound is 1e-5


def _relative(found: Array, expected: Array) -> float:
    """Return the norm of the difference over the norm of what was expected; HUGE if anything is not finite."""
    if not np.isfinite(found).all():
        return HUGE
    scale = float(np.linalg.norm(expected))
    difference = float(np.linalg.norm(np.asarray(found, np.float64) - expected))
    return difference / scale if scale else difference


@dataclass
class PrecisionFloor:
    """The largest relative deviation seen of each kind of result, in a precision."""

    precision: str
    largest: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, found: Array, expected: Array) -> None:
        """Take in one more result of a kind."""
        self.largest[kind] = max(self.largest.get(kind, 0.0), _relative(found, expected))

    def complaint(self) -> str:
        """Return one sentence on a result that narrow operands cannot have made; empty if all can be theirs."""
        least = SHARE * EPSILON[self.precision] if self.precision in INSISTS else 0.0
        for kind, deviation in self.largest.items():
            if deviation < least:
                return (
                    f"{self.precision} {kind} deviate by no more than {deviation:.1e}, where operands rounded to it "
                    f"make at least {least:.0e}: are they computed in float32?"
                )
        return ""


FLOAT64_LOSS = 1e-12
FREE_BATCH = 25  # the float64 run takes batches of this size at most, to stay cheap; single steps take the cell's own
RESTARTS = 10
TEST_IMAGES, TEST_BATCH = 1000, 250
MILESTONES = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass
class Verdict:
    """The gate's answer for one framework, mode, dtype, recipe and batch size."""

    lockstep: str = "pass"  # pass, fail
    why: str = ""
    steps: int = 0
    float64_deviation: float = 0.0
    by_step: dict[str, float] = field(default_factory=dict)  # largest deviation of a loss up to that step
    deviations: dict[str, float] = field(default_factory=dict)  # in the cell's dtype: loss, gradient, ...
    oracle_sha256: str = ""

    def fail(self, reason: str) -> Verdict:
        self.lockstep, self.why = "fail", reason
        return self


def _oracle_losses(recipe: Recipe, inputs: Inputs, images: Array, labels: Array, kept: Path) -> Array:
    """Return the oracle's losses of all given steps, (S,) float64; computed once, kept for the other frameworks."""
    if kept.exists():
        return np.asarray(np.load(kept, allow_pickle=False))
    oracle = NumpyAdapter(recipe, "cpu", "eager", "float64")
    oracle.set_weights(inputs.weights)
    preloaded = oracle.put(images, labels)
    oracle.train(preloaded, 0, preloaded.steps)
    losses = oracle.losses(preloaded)
    part = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(part, losses)
    part.rename(kept)
    return losses


def prove(
    adapter_class: type[Adapter], recipe: Recipe, cell: CellAxes, data: Path, folder: Path, steps: int
) -> dict[str, Any]:
    """Return the verdict on one cell as JSON values; `folder` has the inputs and keeps the oracle's losses.

    Of `cell` it takes device, mode, dtype, input and batch_size. Raises nothing that the adapter does not raise.
    """
    verdict = Verdict(steps=steps)
    inputs = Inputs.open(data, folder, recipe.pixels, "float64")
    images, labels = inputs.steps(steps, min(FREE_BATCH, cell["batch_size"]))
    expected = _oracle_losses(recipe, inputs, images, labels, folder / "losses.npy")
    verdict.oracle_sha256 = hashlib.sha256(np.ascontiguousarray(expected).tobytes()).hexdigest()

    adapter = adapter_class(recipe, cell["device"], cell["mode"], "float64")
    free_run(verdict, adapter, inputs.weights, images, labels, expected, cell["input"])
    if verdict.lockstep == "pass":
        judged = adapter_class(recipe, cell["device"], cell["mode"], cell["dtype"])
        tests = inputs.tests(TEST_IMAGES, TEST_BATCH)
        chooser = NumpyAdapter(recipe, "cpu", "eager", "float64")
        chooser.set_weights(inputs.weights)
        batches = _tie_free_batches(chooser, *inputs.steps(SPARE * RESTARTS, cell["batch_size"]), RESTARTS)
        bounds = bounds_of(adapter.framework, cell["dtype"])
        _restarted(verdict, judged, inputs.weights, batches, tests, bounds, cell["input"])
    return asdict(verdict)


def free_run(
    verdict: Verdict,
    adapter: Adapter,
    weights: Weights,
    images: Array,
    labels: Array,
    expected: Array,
    input: str = "preloaded",
) -> None:
    """Train all steps in one go in float64 and compare every loss."""
    adapter.set_weights(weights)
    with closing(BatchCursor(adapter, images, labels, input)) as training:
        training.train(len(expected))
        losses = training.losses()
    deviations = np.nan_to_num(np.abs(losses / expected - 1), nan=HUGE, posinf=HUGE)
    verdict.float64_deviation = float(deviations.max())
    for step in MILESTONES:
        if step <= len(losses):
            verdict.by_step[str(step)] = float(deviations[:step].max())
    if verdict.float64_deviation >= FLOAT64_LOSS:
        first = int(np.argmax(deviations >= FLOAT64_LOSS))
        cause = diagnose.locate(adapter, weights, images, labels, first, BOUNDS["float64"].loss, input)
        verdict.fail(
            f"float64 losses part at step {first + 1} by {deviations[first]:.1e} (bound {FLOAT64_LOSS:.0e}): {cause}"
        )


def _restarted(
    verdict: Verdict,
    adapter: Adapter,
    weights: Weights,
    batches: tuple[Array, Array],
    tests: tuple[Array, Array],
    bounds: Bounds,
    input: str,
) -> None:
    """Take single steps in the cell's dtype, each from the oracle's weights, and compare all that can be seen."""
    recipe, dtype = adapter.recipe, adapter.dtype  # arrays are of the storage type, whatever products multiply
    oracle, stepper = (NumpyAdapter(recipe, "cpu", "eager", "float64") for _ in range(2))
    oracle.set_weights(weights)
    images, labels = batches
    preloaded, reference = adapter.put(images.astype(dtype), labels), oracle.put(images, labels)
    training = BatchCursor(adapter, images.astype(dtype), labels, input)
    test, test_reference = adapter.put(tests[0].astype(dtype), tests[1]), oracle.put(*tests)
    verdict.deviations = dict.fromkeys(asdict(bounds), 0.0)
    exactness = PrecisionFloor(adapter.precision)

    def note(kind: str, deviation: float, place: str) -> None:
        verdict.deviations[kind] = max(verdict.deviations[kind], deviation)
        bound = getattr(bounds, kind)
        if not deviation < bound and verdict.lockstep == "pass":  # the first to part is the one to look at
            verdict.fail(f"{adapter.precision} {kind} {place} deviates by {deviation:.1e} (bound {bound:.0e})")

    for step in range(len(labels)):
        start = oracle.get_weights()
        slopes = oracle.gradients(reference, step)
        oracle.train(reference, step, 1)
        stepper.set_weights(start)
        stepper.train(reference, step, 1)
        adapter.set_weights(start)
        gradients = adapter.gradients(preloaded, step)
        adapter.set_weights(start)
        training.train(1)
        loss = oracle.losses(reference)[step]
        note("loss", _relative(training.losses()[step : step + 1], np.array([loss])), f"at step {step + 1}")
        for name in reversed(slopes):  # in the order of the backward pass
            note("gradient", _relative(gradients[name], slopes[name]), f"of {name} at step {step + 1}")
            exactness.note("gradients", gradients[name], slopes[name])
        judged = _decided(recipe.optimiser, slopes, bounds)
        found, expected, before = (_flat(weights) for weights in (adapter.get_weights(), stepper.get_weights(), start))
        note("weights", _relative(found[judged], expected[judged]), f"after step {step + 1}")
        exactness.note("updates", found - before, expected - before)
    training.close()
    stepper.set_weights(adapter.get_weights())  # judged above; what is left is the evaluation's own deviation
    pairs = ((adapter, test), (stepper, test_reference))
    outputs, expected = (a.fetch(a.evaluate(r, 0, r.steps)) for a, r in pairs)
    scale = max(1.0, float(np.abs(expected).max()))
    if outputs.shape != expected.shape:
        verdict.fail(f"evaluation returned outputs {outputs.shape} where {expected.shape} were asked for")
        return
    difference = float(np.nan_to_num(np.abs(outputs - expected), nan=HUGE, posinf=HUGE).max())
    note("outputs", difference / scale, "of an evaluation after a step, though training agrees,")
    exactness.note("outputs", *(part - part.mean(axis=0) for part in (outputs, expected)))  # a bias is not rounded
    if (complaint := exactness.complaint()) and verdict.lockstep == "pass":
        verdict.fail(complaint)


def _decided(optimiser: Optimiser, gradients: Weights, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """Return which elements of all weights, as one vector, a step of the optimiser decides.

    Adam's first step is rate * g/(|g| + epsilon): where g is no larger than its own rounding error, the error
    becomes the rate itself. There the gradient is judged and the weight after the step is not.
    """
    if not isinstance(optimiser, Adam):
        return np.ones(sum(g.size for g in gradients.values()), np.bool_)
    share = min(10 * bounds.gradient, 0.5)  # of the largest, which no honest rounding turns round
    return np.concatenate([(np.abs(g) > share * np.abs(g).max()).ravel() for g in gradients.values()])


def _flat(weights: Weights) -> Array:
    """Return all parameters as one vector."""
    return np.concatenate([array.ravel() for array in weights.values()])
