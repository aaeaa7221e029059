"""The page to draw on: warm workers behind a small server, with the weights of a folder.

Without a folder it is lenet, trained first and kept in the user's cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from benchmarks.errors import DataError, EnvironmentMissing, UsageError, count
from benchmarks.files import default_cache
from benchmarks.launch.probe import probe
from benchmarks.machine import lock
from benchmarks.models import checkpoint, train
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.plan.cells import Cell
from benchmarks.plan.data import size
from benchmarks.plan.data.prepared import prepare

DIGITS, SHAPE = 10, (1, 28, 28)
RECIPE, DATASET, EPOCHS, BATCH_SIZE = "lenet", "mnist-5k", 8, 50

Say = Callable[[str], None]


def network(folder: Path | None, frameworks: Sequence[str], wait: bool, say: Say) -> Checkpoint:
    """Return the weights to show; UsageError for a network that does not tell ten digits apart, DataError."""
    found = _cached_network(frameworks, wait, say) if folder is None else checkpoint.read_checkpoint(folder)
    model = found.recipe.model
    if model.outputs != DIGITS or model.input_shape != SHAPE:
        raise UsageError(
            f"the page draws {size(SHAPE)} pixels and shows {DIGITS} probabilities; {found.recipe.name} reads"
            f" {size(model.input_shape)} and has {count(model.outputs, 'output')}"
        )
    return found


def _cached_network(frameworks: Sequence[str], wait: bool, say: Say) -> Checkpoint:
    """Return the network that was trained for the page before; train it where it is missing or damaged."""
    folder = default_cache() / "demo" / f"{RECIPE}-{DATASET}"
    try:
        return checkpoint.read_checkpoint(folder)
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
    framework = next(name for name in (*FRAMEWORKS, *frameworks) if name in frameworks)
    data, settings = prepare(DATASET), RECIPES[RECIPE]
    with (
        checkpoint.new_folder(folder) as part,
        lock.machine_lock(f"trains {RECIPE} on {DATASET} in {framework}", wait, say),
    ):
        say(f"no --weights: training {RECIPE} on {DATASET} in {framework} first; it is kept")
        found = probe(framework, "cpu")
        if found.problem:
            raise EnvironmentMissing(found.problem)
        mode = found.recommended(settings.model.name, "preloaded")
        # One thread: on a machine that others use, two that wait for each other take ten times as long.
        cell = Cell(framework, RECIPE, DATASET, "cpu", BATCH_SIZE, mode, "float32", 1)
        train.save(part, cell, found, data, EPOCHS, 0, False, say)
    return checkpoint.read_checkpoint(folder)


def facts(shown: Checkpoint) -> list[str]:
    """Return what the page says of a network, a line each, as far as its card tells."""
    card = shown.card
    found = [shown.recipe.name, f"{sum(array.size for array in shown.weights.values()):,} parameters"]
    if name := card.get("dataset", {}).get("name"):
        found.append(f"trained on {name} in {card.get('training', {}).get('framework', 'a framework')}")
    accuracy = card.get("scores", {}).get("accuracy")
    if isinstance(accuracy, float):
        found.append(f"{accuracy:.1%} of its test images right".replace("%", " %"))
    return found
