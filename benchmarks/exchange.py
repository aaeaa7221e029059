"""Weights trained in one framework, evaluated in every other: do all frameworks mean the same network by them?

They travel as safetensors files (weights_file.py), the initial ones too; a worker gets them as .npz.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks import batches, weights_file
from benchmarks.cells import Cell
from benchmarks.datasets import Prepared
from benchmarks.errors import LockstepError
from benchmarks.launch import launch_in

LOGITS = 1e-4  # float32, absolute


class ExchangeFailed(LockstepError):
    """A framework could not train or evaluate; the message says which and why."""

    exit_code = 1


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
    timeout_s: float = 1800.0,
) -> list[Pair]:
    """Train every cell of one recipe and evaluate its weights in all. May raise ExchangeFailed.

    The safetensors files stay in `folder`; what workers are handed lies in `inputs`, an empty folder.
    """
    recipe = RECIPES[cells[0].recipe]
    start = folder / f"{recipe.name}-initial.safetensors"
    weights_file.write(start, initial_weights(recipe.model, recipe.initialiser, seed), recipe=recipe.name)
    batches.write_inputs(inputs, weights_file.read(start, recipe.model), seed, data.train_size, epochs)

    def ask(cell: Cell, task: str, what: Mapping[str, Any]) -> dict[str, Any]:
        request = {"task": task, "cell": dataclasses.asdict(cell), "data": str(data.folder), "inputs": str(inputs)}
        ending = launch_in(cell.framework, cell.device, {**request, **what}, cell.threads, timeout_s)
        if ending.answer is None or ending.status != "ok":
            raise ExchangeFailed(f"{cell.framework} {recipe.name} {task} ended {ending.status}: {ending.reason}")
        return ending.answer

    trained, accuracies = {}, {}
    for cell in cells:
        handed = inputs / f"{cell.framework}.npz"
        accuracies[cell.framework] = ask(cell, "accuracy", {"epochs": epochs, "save": str(handed)})["accuracy"]
        kept = folder / f"{recipe.name}-{cell.framework}.safetensors"
        weights_file.write(kept, batches.read_weights(handed), recipe=recipe.name, trained_in=cell.framework)
        batches.write_weights(handed, weights_file.read(kept, recipe.model))
        trained[cell.framework] = str(handed)
        report(f"trained {recipe.name} in {cell.framework}: accuracy {accuracies[cell.framework]:.4f}")
    outputs: dict[str, dict[str, npt.NDArray[np.floating]]] = {}
    for cell in cells:
        made = {name: str(inputs / f"{name}-in-{cell.framework}.npy") for name in trained}
        ask(cell, "evaluate", {"weights": trained, "outputs": made})
        outputs[cell.framework] = {name: np.load(path, allow_pickle=False) for name, path in made.items()}
        report(f"evaluated all {recipe.name} weights in {cell.framework}")
    return [
        Pair(recipe.name, trainer, evaluator, accuracies[trainer], apart(found[trainer], outputs[trainer][trainer]))
        for trainer in trained
        for evaluator, found in outputs.items()
    ]


def apart(found: npt.NDArray[np.floating], expected: npt.NDArray[np.floating]) -> float:
    """Return the largest difference; infinite if anything is not finite or missing."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
