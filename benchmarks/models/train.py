"""From a cell to a checkpoint: train it, write weights, card and curves, and the framework's own files if wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from adapters.recipes import RECIPES
from adapters.weights import Weights
from benchmarks import files
from benchmarks.errors import plain
from benchmarks.launch.probe import Probe
from benchmarks.machine import environments, git, hardware
from benchmarks.models import checkpoint, native, remote
from benchmarks.models.checkpoint import Card
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.protocol import Progress
from benchmarks.worker.train import BY_EPOCH

Say = Callable[[str], None]
SCORES = ("accuracy", "loss", "train_accuracy", "epochs", *BY_EPOCH)
DRAW_S = 120.0


def save(part: Path, cell: Cell, probe: Probe, data: Prepared, epochs: int, seed: int, own: bool, say: Say) -> float:
    """Fill a folder that is being made with a cell, trained; return its accuracy on the test images.

    `own` adds the framework's own files. May raise WorkerFailed, and what checkpoint.fill raises.
    """
    recipe = RECIPES[cell.recipe]

    def show_epoch(figures: Progress) -> None:
        losses = f"loss {figures['train_loss']:.4f} in training, {figures['loss']:.4f} on the test images"
        accuracy = f"{100 * figures['accuracy']:.2f} % of them right"
        say(f"epoch {figures['epoch']}/{epochs}: {losses}, {accuracy}, {figures['seconds']:.1f} s")

    with files.scratch() as scratch:
        inputs = scratch
        prepare_inputs(inputs, recipe, seed, data.train_size, epochs)
        weights, answer = remote.train(cell, data, inputs, epochs, show_epoch)
        card = _card_facts(cell, probe, data, seed, answer)
        if own:
            say(f"writing {cell.framework}'s own files, and loading them in a process of their own")
            (part / checkpoint.NATIVE).mkdir()
            card["native"] = _proven(part / checkpoint.NATIVE, cell, data, inputs, weights)
        checkpoint.fill(part, recipe, weights, card)
    _draw(part, say)
    return float(answer["accuracy"])


def _card_facts(cell: Cell, probe: Probe, data: Prepared, seed: int, answer: dict[str, Any]) -> Card:
    """Return what a card holds beside the declaration; no names of hosts, users or paths."""
    about = ("name", "sha256", "source", "train_size", "test_size", "image_shape", "classes", "class_names")
    dataset = {name: getattr(data, name) for name in about}
    axes = ("framework", "device", "mode", "dtype", "threads", "batch_size", "input")
    facts = hardware.facts()
    return {
        "dataset": dataset,
        "training": {name: getattr(cell, name) for name in axes} | {"seed": seed, "device_name": probe.device_name},
        "scores": {name: answer[name] for name in SCORES},
        "versions": probe.facts["versions"],
        "machine": {name: facts[name] for name in ("cpu", "physical_cores", "memory_bytes")},
        "machine_kind": hardware.fingerprint(cell.device),
        "commit": git.commit(),
    }


def _proven(folder: Path, cell: Cell, data: Prepared, inputs: Path, weights: Weights) -> dict[str, float]:
    """Write the framework's own files and prove them against what its adapter computes with the same weights."""
    expected = remote.outputs(cell, data, inputs, {"kept": weights})["kept"]
    images = np.load(data.folder / "test_images.npy", mmap_mode="r", allow_pickle=False)
    return native.write_and_verify(cell.framework, cell.device, RECIPES[cell.recipe], weights, folder, images, expected)


def _draw(part: Path, say: Say) -> None:
    """Let `report` draw the curves; where it cannot, say so and keep the weights."""
    _, why = environments.run_report("curves", str(part), timeout_s=DRAW_S)
    if why:
        say(f"the curves are not drawn: {plain(why)[:300]}")
