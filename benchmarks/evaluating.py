"""Saved weights in every framework: outputs on all test images, compared image by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.weights import initial_weights
from benchmarks import batches, native, trained
from benchmarks.agreement import Agreement, agreement
from benchmarks.cells import Axes, expand
from benchmarks.datasets import NAMES, Prepared
from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.frameworks import probe_all
from benchmarks.machine import physical_cpus
from benchmarks.saved import Saved


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


def trained_on(kept: Saved) -> str:
    """Return the named data set that a card says; UsageError where it was another or is not said."""
    name = kept.card.get("dataset", {}).get("name")
    if not isinstance(name, str) or name not in NAMES:
        raise UsageError("these weights were trained on no data set that has a name here; say which with --dataset")
    return name


def evaluate(
    kept: Saved,
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
    axes = Axes(frameworks, [recipe.name], [data.name], [device], [None], [None], ["float32"], [len(physical_cpus())])
    cells = expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
    weights = scratch / "kept.npz"
    batches.write_weights(weights, kept.weights)
    batches.write_inputs(scratch, initial_weights(recipe.model, recipe.initialiser, 0), 0, data.train_size, 1)
    images = np.load(data.folder / "test_images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(data.folder / "test_labels.npy", allow_pickle=False).astype(np.int64)
    outputs, files = {}, {}
    for cell in cells:
        outputs[cell.framework] = trained.outputs(cell, data, scratch, {"kept": weights})["kept"]
        say(f"evaluated {recipe.name} in {cell.framework}")
        if own:
            (folder := scratch / f"native-{cell.framework}").mkdir()
            expected = outputs[cell.framework]
            files[cell.framework] = native.proven(
                cell.framework, device, recipe, kept.weights, folder, images, expected
            )
            say(f"wrote and loaded {cell.framework}'s own files: {', '.join(files[cell.framework])}")
    trainer = kept.card.get("training", {}).get("framework", "")
    return Evaluation(recipe.name, data.name, str(trainer), agreement(outputs, labels, recipe.loss), files)
