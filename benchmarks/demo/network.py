"""Which network the page shows: the weights of a folder, or lenet, trained first and kept in the user's cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapters.contract import MODES
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks import batches, saved, turn
from benchmarks.cells import Cell
from benchmarks.datasets import prepare
from benchmarks.datasets.prepared import default_cache
from benchmarks.errors import DataError, UsageError, WorkerLost
from benchmarks.launch import launch_in
from benchmarks.model_card import Card
from benchmarks.saved import Saved

DIGITS = 10
RECIPE, DATASET, EPOCHS, BATCH_SIZE = "lenet", "mnist-5k", 8, 50
QUICKEST = ("torch", "tensorflow", "jax", "mxnet", "numpy", "paddle")  # first: eager, nothing to compile
TIMEOUT_S = 600.0

Say = Callable[[str], None]


def network(folder: Path | None, frameworks: Sequence[str], wait: bool, say: Say) -> Saved:
    """Return the weights to show; UsageError for a network that does not tell ten digits apart, DataError."""
    found = kept(frameworks, wait, say) if folder is None else saved.read(folder)
    if found.recipe.model.outputs != DIGITS:
        raise UsageError(
            f"the page shows {DIGITS} probabilities; {found.recipe.name} has {found.recipe.model.outputs} output"
        )
    return found


def kept(frameworks: Sequence[str], wait: bool, say: Say) -> Saved:
    """Return what was trained for the page before; train it where there is nothing, or nothing of use any more."""
    folder = default_cache() / "demo" / f"{RECIPE}-{DATASET}"
    try:
        return saved.read(folder)
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
    framework = next(name for name in QUICKEST if name in frameworks)
    with turn.taken(f"trains {RECIPE} on {DATASET} in {framework}", wait, say):
        say(f"no --weights: training {RECIPE} on {DATASET} in {framework}, {EPOCHS} epochs, once; 10 to 30 s")
        train(framework, folder)
    return saved.read(folder)


def train(framework: str, folder: Path) -> None:
    """Train with the recipe's own settings and save weights and card."""
    recipe, data = RECIPES[RECIPE], prepare(DATASET)
    # One thread: on a machine that others use, two that wait for each other take ten times as long.
    cell = Cell(framework, RECIPE, DATASET, "cpu", BATCH_SIZE, MODES[0], "float32", 1)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        inputs, trained = Path(scratch), Path(scratch) / "trained.npz"
        batches.write_inputs(inputs, initial_weights(recipe.model, recipe.initialiser, 0), 0, data.train_size, EPOCHS)
        request: dict[str, Any] = {
            "task": "accuracy",
            "cell": asdict(cell),
            "data": str(data.folder),
            "inputs": scratch,
        }
        request |= {"epochs": EPOCHS, "save": str(trained)}
        ending = launch_in(framework, "cpu", request, cell.threads, TIMEOUT_S)
        if ending.answer is None or ending.status != "ok":
            raise WorkerLost(f"{framework} could not train {RECIPE} ({ending.status}): {ending.reason}")
        about: Card = {"dataset": {"name": DATASET, "sha256": data.sha256}, "training": {"framework": framework}}
        about["scores"] = {"accuracy": ending.answer["accuracy"]}
        saved.write(folder, recipe, batches.read_weights(trained), about)


def facts(shown: Saved) -> list[str]:
    """Return what the page says of a network, as far as its card tells."""
    card = shown.card
    found = [shown.recipe.name, f"{sum(array.size for array in shown.weights.values()):,} parameters"]
    if name := card.get("dataset", {}).get("name"):
        found.append(f"trained on {name} in {card.get('training', {}).get('framework', 'a framework')}")
    accuracy = card.get("scores", {}).get("accuracy")
    if isinstance(accuracy, float):
        found.append(f"{accuracy:.1%} of its test images right".replace("%", " %"))
    return found
