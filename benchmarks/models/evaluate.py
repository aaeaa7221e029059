"""Do all frameworks mean the same network by the same weights? Their outputs on all test images, image by image.

`verify FOLDER` takes a checkpoint, `verify --exchange` trains in each framework first. Weights travel as safetensors
files (checkpoint.py), the initial ones too; a worker gets them as .npz. Rounding differs between frameworks, so logits
agree to some 1e-6 and no better: where the two largest are closer than that, either answer is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.recipes import RECIPES
from adapters.weights import Weights, initial_weights
from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.launch.probe import probe_all
from benchmarks.machine import environments
from benchmarks.models import checkpoint, native, remote
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.models.remote import LOGITS, Array, largest_deviation
from benchmarks.plan.cells import Axes, Cell, expand
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.data.sources import NAMES
from benchmarks.worker.inputs import prepare_inputs, write_inputs
from benchmarks.worker.train import readings


@dataclass(frozen=True)
class Difference:
    """A test image that frameworks read differently; `gap` is the widest that any sees between its two best answers."""

    index: int
    label: int
    read_as: dict[str, int]
    gap: float

    @property
    def tie(self) -> bool:
        return self.gap < LOGITS


@dataclass(frozen=True)
class Agreement:
    """Correct answers of each framework on `images` images, its largest deviation from the first, and what differs."""

    images: int
    correct: dict[str, int]
    deviation: dict[str, float]
    differences: list[Difference]

    @property
    def agreed(self) -> bool:
        return all(difference.tie for difference in self.differences)


def agreement(outputs: Mapping[str, Array], labels: Array, loss: str) -> Agreement:
    """Compare outputs (N, K) by framework on images with these labels (N,); `loss` says how outputs are read."""
    read_as = {name: readings(found.astype(np.float64), labels, loss)[0] for name, found in outputs.items()}
    answers, widest = np.stack(list(read_as.values())), np.stack([_gaps(found, loss) for found in outputs.values()])
    differences = [
        Difference(
            int(index), int(labels[index]), {name: int(found[index]) for name, found in read_as.items()},
            float(widest[:, index].max()),
        )
        for index in np.flatnonzero((answers != answers[0]).any(axis=0))
    ]  # fmt: skip
    correct = {name: int((found == labels).sum()) for name, found in read_as.items()}
    first = next(iter(outputs.values()))
    return Agreement(
        len(labels), correct, {name: largest_deviation(found, first) for name, found in outputs.items()}, differences
    )


def _gaps(outputs: Array, loss: str) -> Array:
    """Return (N,) how much better the best answer is than the next: of two logits, or of distances to whole numbers."""
    values = outputs.astype(np.float64)
    if loss == "mean_squared_error":
        gap: Array = 1 - 2 * np.abs(values[:, 0] - np.rint(values[:, 0]))
        return gap
    best = np.partition(values, -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


@dataclass(frozen=True)
class Evaluation:
    """What frameworks made of some weights; `native` holds the deviations of their own files by format."""

    recipe: str
    dataset: str
    trained_in: str  # as the card says; empty where it does not
    agreement: Agreement
    native: dict[str, dict[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values, the verdicts among them."""
        found = dataclasses.asdict(self)
        found["agreement"]["agreed"] = self.agreement.agreed
        for described, difference in zip(found["agreement"]["differences"], self.agreement.differences, strict=True):
            described["tie"] = difference.tie
        return found


def trained_on(kept: Checkpoint) -> str:
    """Return the named data set that a card says; UsageError where it was another or is not said."""
    name = kept.card.get("dataset", {}).get("name")
    if not isinstance(name, str) or name not in NAMES:
        raise UsageError("these weights were trained on no data set that has a name here; say which with --dataset")
    return name


def evaluate(
    kept: Checkpoint,
    frameworks: Sequence[str],
    device: str,
    data: Prepared,
    scratch: Path,
    own: bool,
    say: Callable[[str], None],
) -> Evaluation:
    """Evaluate weights in each framework, each in its recommended mode; `scratch` is an empty folder.

    `own` also writes each framework's own files and loads them. May raise WorkerFailed, EnvironmentMissing.
    """
    recipe = kept.recipe
    probes = probe_all(frameworks, [device])
    if problems := [found.problem for found in probes.values() if found.problem]:
        raise EnvironmentMissing("\n".join(problems))
    count = environments.common_threads(frameworks)
    axes = Axes(frameworks, [recipe.name], [data.name], [device], [None], [None], ["float32"], [count])
    cells = expand(axes, probes)
    prepare_inputs(scratch, recipe, 0, data.train_size, 1)
    images = np.load(data.folder / "test_images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(data.folder / "test_labels.npy", allow_pickle=False).astype(np.int64)
    outputs, files = {}, {}
    for cell in cells:
        outputs[cell.framework] = remote.outputs(cell, data, scratch, {"kept": kept.weights})["kept"]
        say(f"evaluated {recipe.name} in {cell.framework}")
        if own:
            (folder := scratch / f"native-{cell.framework}").mkdir()
            expected = outputs[cell.framework]
            files[cell.framework] = native.write_and_verify(
                cell.framework, device, recipe, kept.weights, folder, images, expected
            )
            say(f"wrote and loaded {cell.framework}'s own files: {', '.join(files[cell.framework])}")
    trainer = kept.card.get("training", {}).get("framework", "")
    return Evaluation(recipe.name, data.name, str(trainer), agreement(outputs, labels, recipe.loss), files)


@dataclass(frozen=True)
class Pair:
    """One framework's weights in another: the largest difference of a logit from the trainer's own."""

    recipe: str
    trained_in: str
    evaluated_in: str
    accuracy: float  # the trainer's own, on the test images
    deviation: float


def exchange(
    cells: Sequence[Cell],
    data: Prepared,
    epochs: int,
    seed: int,
    folder: Path,
    inputs: Path,
    report: Callable[[str], None],
) -> list[Pair]:
    """Train every cell of one recipe and evaluate its weights in all. May raise WorkerFailed.

    The safetensors files stay in `folder`; what workers are handed lies in `inputs`, an empty folder.
    """
    recipe = RECIPES[cells[0].recipe]
    start = folder / f"{recipe.name}-initial.safetensors"
    checkpoint.write_weights(start, initial_weights(recipe.model, recipe.initialiser, seed), recipe=recipe.name)
    write_inputs(inputs, checkpoint.read_weights(start, recipe.model), seed, data.train_size, epochs)
    trained = {cell.framework: _train(cell, data, epochs, folder, inputs, report) for cell in cells}
    weights = {name: arrays for name, (arrays, _) in trained.items()}
    outputs: dict[str, dict[str, remote.Outputs]] = {}
    for cell in cells:
        outputs[cell.framework] = remote.outputs(cell, data, inputs, weights)
        report(f"evaluated all {recipe.name} weights in {cell.framework}")
    return [
        Pair(recipe.name, name, evaluator, accuracy, largest_deviation(found[name], outputs[name][name]))
        for name, (_, accuracy) in trained.items()
        for evaluator, found in outputs.items()
    ]


def _train(
    cell: Cell, data: Prepared, epochs: int, folder: Path, inputs: Path, report: Callable[[str], None]
) -> tuple[Weights, float]:
    """Train a cell; return its weights, which went through a safetensors file, and its accuracy."""
    arrays, answer = remote.train(cell, data, inputs, epochs)
    saved = folder / f"{cell.recipe}-{cell.framework}.safetensors"
    checkpoint.write_weights(saved, arrays, recipe=cell.recipe, trained_in=cell.framework)
    report(f"trained {cell.recipe} in {cell.framework}: accuracy {answer['accuracy']:.4f}")
    return checkpoint.read_weights(saved, RECIPES[cell.recipe].model), answer["accuracy"]
