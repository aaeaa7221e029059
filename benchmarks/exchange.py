"""Weights trained in one framework, evaluated in every other: do all frameworks mean the same network by them?

They travel as safetensors files (weights_file.py), the initial ones too; a worker gets them as .npz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks import batches, trained, weights_file
from benchmarks.agreement import apart
from benchmarks.cells import Cell
from benchmarks.datasets import Prepared


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
    weights_file.write(start, initial_weights(recipe.model, recipe.initialiser, seed), recipe=recipe.name)
    batches.write_inputs(inputs, weights_file.read(start, recipe.model), seed, data.train_size, epochs)

    weights: dict[str, Path] = {}
    accuracies: dict[str, float] = {}
    for cell in cells:
        arrays, answer = trained.train(cell, data, inputs, epochs)
        accuracies[cell.framework] = answer["accuracy"]
        kept = folder / f"{recipe.name}-{cell.framework}.safetensors"
        weights_file.write(kept, arrays, recipe=recipe.name, trained_in=cell.framework)
        weights[cell.framework] = inputs / f"kept-{cell.framework}.npz"
        batches.write_weights(weights[cell.framework], weights_file.read(kept, recipe.model))
        report(f"trained {recipe.name} in {cell.framework}: accuracy {accuracies[cell.framework]:.4f}")
    outputs: dict[str, dict[str, trained.Outputs]] = {}
    for cell in cells:
        outputs[cell.framework] = trained.outputs(cell, data, inputs, weights)
        report(f"evaluated all {recipe.name} weights in {cell.framework}")
    return [
        Pair(recipe.name, trainer, evaluator, accuracies[trainer], apart(found[trainer], outputs[trainer][trainer]))
        for trainer in weights
        for evaluator, found in outputs.items()
    ]
