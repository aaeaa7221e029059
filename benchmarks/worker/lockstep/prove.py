"""The lockstep gate: does a framework compute what was declared? Runs inside its environment.

float64: the losses of N steps in one go, each within 1e-12 relative of the NumPy oracle's. Every difference in
the arithmetic shows there; rounding does not (measured: 1.7e-15).
Then single steps through the code that is timed, in the cell's own dtype, each restarted from the oracle's weights,
because rounding flips ties in ReLU and max pooling and free trajectories part. Loss, gradients, weights after the step
and the outputs on 1,000 test images are held to bounds.py. Half of the steps begin near the initial weights, half near
weights that training has moved: activations are larger there, and an exp or a tanh may be wrong for large values alone.
The first batch of each half comes twice, so that it shows whether a step changes what it was handed.

bfloat16 and float16 have a least deviation, too: what is computed in float32 after all has no speed as bfloat16, and
it is nearer to the oracle than any bound asks. Rounding an operand is off by up to half an epsilon, and a product of
many such operands by a share of it that no average takes away: of the norm of gradients, of the weights' change by a
step, and of what outputs owe to the image.

Where a framework says that it has no float64, float32_only.py stands in for the float64 run: another verdict.

What an adapter is handed is its own: copies, and arrays that were made for it. What the oracle sees it cannot change.
"""

from __future__ import annotations

import copy
import hashlib
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import NARROW, Adapter, Preloaded
from adapters.declaration import Recipe
from adapters.numpy import NumpyAdapter
from adapters.weights import Weights
from benchmarks.worker.inputs import WRITTEN_TO, Inputs, copied
from benchmarks.worker.lockstep import diagnose, float32_only
from benchmarks.worker.lockstep.bounds import (
    BOUNDS,
    EPSILON,
    ONLY,
    Bounds,
    bounds_of,
    decided,
    gradient_scale,
    loss_deviations,
    step_bounds,
    summed_bound,
    swayed_bound,
)
from benchmarks.worker.lockstep.reference import (
    HUGE,
    RESTARTS,
    SPARE,
    UNSTABLE,
    Reference,
    SingleStep,
    at_places,
    outputs_apart,
    parted,
    positions,
    reference,
    single_steps,
)
from benchmarks.worker.protocol import CellAxes
from benchmarks.worker.train import BatchCursor

Array = npt.NDArray[Any]
# Narrow types a cell insists on. TF32 is a permission: a library may find float32 faster for a small product.
INSISTS = NARROW
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


# Of the float64 run; single steps take the cell's own. More would cost more. With a batch of one, at the rates of the
# recipes, rounding grows ten million times in 60 steps: torch's lenet parts from the oracle by 7e-9.
FREE_BATCH = 25
TEST_IMAGES, TEST_BATCH = 1000, 250
MILESTONES = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass
class Verdict:
    """The gate's answer for one framework, mode, dtype, recipe and batch size."""

    lockstep: str = "pass"  # pass, float32 only, fail
    why: str = ""
    steps: int = 0
    float64_deviation: float | None = 0.0  # None: nothing was computed in float64
    by_step: dict[str, float] = field(default_factory=dict)  # largest deviation of a loss up to that step
    deviations: dict[str, float] = field(default_factory=dict)  # in the cell's dtype: loss, gradient, ...
    oracle_sha256: str = ""

    def fail(self, reason: str) -> Verdict:
        self.lockstep, self.why = "fail", reason
        return self


FreeRuns = dict[tuple[object, ...], Verdict]


def prove(
    adapter_class: type[Adapter],
    recipe: Recipe,
    cell: CellAxes,
    data: Path,
    folder: Path,
    steps: int,
    known: FreeRuns | None = None,
) -> dict[str, Any]:
    """Return the verdict on one cell as JSON values; `folder` has the inputs and keeps what the oracle finds.

    Of `cell` it takes device, mode, dtype, input and batch_size. Raises nothing that the adapter does not raise.
    `known` are the float64 runs of this process, which the batch size does not change: one is made for all.
    """
    inputs = Inputs.open(data, folder, recipe.pixels, "float64")
    before = inputs.sha256()
    images, labels = inputs.steps(steps, FREE_BATCH)
    expected = reference(recipe, inputs, (images, labels), cell["batch_size"], folder)

    lacks = adapter_class.unsupported(cell["device"], cell["mode"], "float64", cell["input"])
    in_one_go = partial(adapter_class, recipe, cell["device"], cell["mode"], "float32" if lacks else "float64")
    same = recipe, str(data), str(folder), cell["device"], cell["mode"], cell["input"], steps
    runs = {} if known is None else known
    if same not in runs:
        verdict = Verdict(steps=steps, oracle_sha256=hashlib.sha256(expected.losses.tobytes()).hexdigest())
        adapter = in_one_go()
        free_run(verdict, adapter, recipe, inputs.weights, images, labels, expected.losses, cell["input"])
        if verdict.lockstep == "pass" and not lacks:
            _statistics(verdict, adapter.get_weights(), expected.statistics)
        runs[same] = verdict
    verdict = copy.deepcopy(runs[same])
    if verdict.lockstep == "pass":
        judged = adapter_class(recipe, cell["device"], cell["mode"], cell["dtype"])
        candidates = inputs.steps(SPARE * RESTARTS, cell["batch_size"])
        tests = inputs.tests(TEST_IMAGES, TEST_BATCH)
        _Judge(verdict, judged, recipe, cell["input"]).restart(expected, candidates, tests)
        if lacks and verdict.lockstep == "pass":
            wrong = float32_only.short_runs(in_one_go(), recipe, expected, candidates, cell["input"])
            verdict.lockstep, verdict.why = ("fail", wrong) if wrong else (ONLY, lacks)
    if inputs.sha256() != before:
        verdict.fail(WRITTEN_TO)
    return asdict(verdict)


def samples(steps: int, batch_size: int) -> int:
    """Return how many training samples in order a proof looks at."""
    return max(steps * FREE_BATCH, SPARE * RESTARTS * batch_size)


def prepare(recipe: Recipe, data: Path, folder: Path, steps: int, batch_size: int) -> None:
    """Keep in `folder` what the reference network finds, so that proofs of several frameworks find it there."""
    inputs = Inputs.open(data, folder, recipe.pixels, "float64")
    reference(recipe, inputs, inputs.steps(steps, FREE_BATCH), batch_size, folder)


def free_run(
    verdict: Verdict,
    adapter: Adapter,
    recipe: Recipe,
    weights: Weights,
    images: Array,
    labels: Array,
    expected: Array,
    input: str = "preloaded",
) -> None:
    """Train all steps in one go, in float64 or else in float32, and compare every loss.

    One that is beyond its bound is held to what rounding does to the reference network's, if that is more.
    """
    adapter.set_weights(copied(weights))
    with closing(BatchCursor(adapter, images.astype(adapter.dtype), labels, input)) as training:
        training.train(len(expected))
        losses = training.losses()
    dtype = adapter.precision
    deviations = np.nan_to_num(loss_deviations(losses, expected, dtype), nan=HUGE, posinf=HUGE)
    verdict.float64_deviation = float(deviations.max()) if dtype == "float64" else None
    for step in MILESTONES:
        if step <= len(losses):
            verdict.by_step[str(step)] = float(deviations[:step].max())
    bounds = np.full(len(losses), BOUNDS["float64"].loss)
    if dtype != "float64":
        bounds = float32_only.run_bounds(len(losses))
    elif (deviations >= bounds).any():
        bounds = np.maximum(bounds, parted(recipe, weights, images, labels, expected))
    if (beyond := deviations >= bounds).any():
        first = int(np.argmax(beyond))
        cause = diagnose.locate(adapter, weights, images, labels, first, BOUNDS[dtype].loss, input)
        unstable = UNSTABLE_HINT if bounds[first] >= UNSTABLE else ""
        verdict.fail(
            f"{dtype} losses part at step {first + 1} by {deviations[first]:.1e} (bound {bounds[first]:.0e}): "
            f"{cause}{unstable}"
        )


UNSTABLE_HINT = "; rounding grows too much in this training: take a lower rate, or fewer --steps"
STATISTICS = 1e-10  # of a running mean or variance at the end of the float64 run: a variance of n values divided by
# one less, 200 steps on, is off by 1 / n, which float32 hides where n is large


def _statistics(verdict: Verdict, found: Weights, expected: Weights) -> None:
    """Compare what the run in one go leaves of the statistics."""
    for name in expected:
        if not (deviation := _apart(name, found, expected)) < STATISTICS:
            verdict.fail(f"float64 losses agree, {name} after the last step deviates by {deviation:.1e}")
            return


def _apart(name: str, found: Weights, expected: Weights) -> float:
    """Return the deviation of a statistic: a mean's from what it is the mean of, which may cancel; a variance's own."""
    layer, _, kind = name.rpartition(".")
    scale = np.abs(expected[name]) + (np.sqrt(expected[f"{layer}.variance"]) if kind == "mean" else 0.0)
    return _relative(found[name] - expected[name] + scale, scale)


class _Judge:
    """Takes single steps in the cell's dtype, each from the oracle's weights, and compares all that can be seen."""

    def __init__(self, verdict: Verdict, adapter: Adapter, recipe: Recipe, input: str) -> None:
        self.verdict, self.adapter, self.input = verdict, adapter, input
        self.recipe = recipe  # as it is declared: the adapter's own may be another
        self.bounds = bounds_of(adapter.framework, adapter.precision)
        self.exactness = PrecisionFloor(adapter.precision)
        places = recipe.model.places()
        self.positions = {  # at which a parameter adds to the gradient of each sample
            parameter.name: positions(places[parameter.place]) for parameter in recipe.model.parameters()
        }
        self.statistics = [parameter.name for parameter in recipe.model.statistics()]
        verdict.deviations = dict.fromkeys(asdict(self.bounds), 0.0)

    def note(self, kind: str, deviation: float, place: str, bound: float | None = None) -> None:
        """Take in a deviation of a kind, which is held to its own bound if it has one."""
        self.verdict.deviations[kind] = max(self.verdict.deviations[kind], deviation)
        bound = getattr(self.bounds, kind) if bound is None else bound
        if not deviation < bound and self.verdict.lockstep == "pass":  # the first to part is the one to look at
            self.verdict.fail(
                f"{self.adapter.precision} {kind} {place} deviates by {deviation:.1e} (bound {bound:.0e})"
            )

    def restart(self, known: Reference, candidates: tuple[Array, Array], tests: tuple[Array, Array]) -> None:
        """Take the steps from each of the weights, by name; images (S, B, C, H, W) float64, labels (S, B)."""
        recipe, dtype = self.recipe, self.adapter.dtype  # the storage type, whatever products multiply
        test = self.adapter.put(tests[0].astype(dtype), tests[1].copy())
        for place, weights in known.starts.items():
            images, labels = at_places(*candidates, known.batches[place])
            preloaded = self.adapter.put(images.astype(dtype), labels.copy())
            sure = known.sure[place]
            steps = single_steps(recipe, weights, images, labels, sure)
            with closing(BatchCursor(self.adapter, images.astype(dtype), labels, self.input)) as training:
                for index, step in enumerate(steps):
                    self.adapter.set_weights(copied(step.start))
                    gradients = self.adapter.gradients(preloaded, index)
                    self._gradients(step, gradients, labels.shape[1], f"at step {index + 1}{place}")
                    self._step(step, training, index, f"step {index + 1}{place}")
                [again] = single_steps(recipe, weights, images[:1], labels[:1], sure)
                self._step(again, training, 0, f"step 1{place}, its batch used again,")
            self._outputs(test, tests, place)
        if (complaint := self.exactness.complaint()) and self.verdict.lockstep == "pass":
            self.verdict.fail(complaint)

    def _gradients(self, step: SingleStep, found: Weights, batch: int, place: str) -> None:
        """Compare gradients in the order of the backward pass."""
        bounds = self._bounds(step)
        for name, expected in reversed(step.gradients.items()):
            norm = float(np.linalg.norm(expected))
            scale = gradient_scale(norm, step.terms.get(name, 0.0)) or 1.0
            deviation = _relative(found[name], expected) * (norm or 1.0) / scale
            summed = summed_bound(bounds, self.adapter.dtype, batch * self.positions[name])
            bound = swayed_bound(summed, step.sway.get(name, 0.0) * (norm or 1.0) / scale)
            self.note("gradient", deviation, f"of {name} {place}", bound)
            self.exactness.note("gradients", found[name], expected)

    def _bounds(self, step: SingleStep) -> Bounds:
        moved = _relative(self._learnt(step.start), self._learnt(step.after))
        own = replace(self.bounds, loss=swayed_bound(self.bounds.loss, step.sway.get("loss", 0.0)))
        own = replace(own, gradient=swayed_bound(own.gradient, step.sway.get("all", 0.0)))
        return step_bounds(own, self.adapter.precision, step.largest, step.loss, moved)

    def _step(self, step: SingleStep, training: BatchCursor, index: int, place: str) -> None:
        """Train on the next batch, the one at `index`, and compare loss and weights."""
        self.adapter.set_weights(copied(step.start))
        training.train(1)
        bounds = self._bounds(step)
        deviation = loss_deviations(training.losses()[index], np.array(step.loss), self.adapter.precision)
        self.note("loss", float(np.nan_to_num(deviation, nan=HUGE, posinf=HUGE)), f"at {place}", bounds.loss)
        own = self.adapter.get_weights()
        found, expected, before = (self._learnt(weights) for weights in (own, step.after, step.start))
        judged = decided(self.recipe.optimiser, step.gradients, bounds.gradient)
        self.note("weights", _relative(found[judged], expected[judged]), f"after {place}", bounds.weights)
        self.exactness.note("updates", found - before, expected - before)
        kept = swayed_bound(max(bounds.weights, bounds.outputs), step.sway.get("statistics", 0.0))
        for name in self.statistics:
            self.note("weights", _apart(name, own, step.after), f"in {name} after {place}", kept)

    def _learnt(self, weights: Weights) -> Array:
        """Return the parameters, without the statistics, as one vector."""
        return _flat({name: array for name, array in weights.items() if name not in self.statistics})

    def _outputs(self, test: Preloaded, tests: tuple[Array, Array], place: str) -> None:
        """Compare the outputs at the adapter's own weights: what they have strayed by has been judged."""
        oracle = NumpyAdapter(self.recipe, "cpu", "eager", "float64")
        before = self.adapter.get_weights()
        oracle.set_weights(before)
        outputs = self.adapter.fetch(self.adapter.evaluate(test, 0, test.steps))
        expected = oracle.fetch(oracle.evaluate(oracle.put(*tests), 0, len(tests[1])))
        if outputs.shape != expected.shape:
            self.verdict.fail(f"evaluation returned outputs {outputs.shape} where {expected.shape} were asked for")
            return
        deviation, bound = outputs_apart(oracle, outputs, expected, self.bounds, self.adapter.precision)
        centred, wanted = (part - part.mean(axis=0) for part in (outputs, expected))  # a bias is not rounded
        instead = "" if deviation < bound else diagnose.evaluation_instead(oracle, tests, outputs)
        self.note(
            "outputs", deviation, f"of an evaluation{instead} after a step{place}, though training agrees,", bound
        )
        for name, array in self.adapter.get_weights().items():
            self.note(
                "weights", _relative(array, before[name]), f"in {name} after an evaluation{place}, which moves it,"
            )
        self.exactness.note("outputs", centred, wanted)


def _flat(weights: Weights) -> Array:
    """Return all parameters as one vector."""
    return np.concatenate([array.ravel() for array in weights.values()])
