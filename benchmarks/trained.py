"""A network trained in a framework's worker, and its outputs in any: what train, evaluate and exchange share.

Weights cross as .npz; what a worker is handed and what it leaves lies in `inputs`, a folder of the caller's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.recipes import RECIPES
from adapters.weights import Weights
from benchmarks import batches
from benchmarks.cells import Cell
from benchmarks.datasets import Prepared
from benchmarks.errors import WorkerFailed
from benchmarks.launch import launch_in
from benchmarks.progress import Report

Answer = dict[str, Any]
Outputs = npt.NDArray[np.floating]
TIMEOUT_S = 24 * 3600.0  # of a training, which tells how far it is and can be ended; no recipe here takes an hour
EVALUATE_S = 1800.0


def ask(
    cell: Cell,
    task: str,
    data: Prepared,
    inputs: Path,
    what: Mapping[str, Any],
    timeout_s: float,
    progress: Report | None = None,
) -> Answer:
    """Have a worker do a task and return its answer; WorkerFailed where it ends otherwise than ok."""
    request = {"task": task, "cell": dataclasses.asdict(cell), "data": str(data.folder), "inputs": str(inputs)}
    ending = launch_in(
        cell.framework, cell.device, {**request, **what}, cell.threads, timeout_s, cell.revision, progress=progress
    )
    if ending.answer is None or ending.status != "ok":
        raise WorkerFailed(f"{cell.framework} {cell.recipe} {task} ended {ending.status}: {ending.reason}")
    return ending.answer


def train(
    cell: Cell, data: Prepared, inputs: Path, epochs: int, progress: Report | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[Weights, Answer]:
    """Train a cell's recipe; return its weights and what learn() says. `inputs` is as batches.write_inputs left it."""
    kept = inputs / f"{cell.framework}.npz"
    what = {"epochs": epochs, "save": str(kept), "progress": progress is not None}
    answer = ask(cell, "accuracy", data, inputs, what, timeout_s, progress)
    return batches.read_weights(kept), answer


def outputs(
    cell: Cell, data: Prepared, inputs: Path, weights: Mapping[str, Path], timeout_s: float = EVALUATE_S
) -> dict[str, Outputs]:
    """Return a cell's outputs on all test images at each of some weights (.npz), finite and (images, outputs)."""
    made = {name: inputs / f"{name}-in-{cell.framework}.npy" for name in weights}
    paths = [{name: str(path) for name, path in files.items()} for files in (weights, made)]
    ask(cell, "evaluate", data, inputs, {"weights": paths[0], "outputs": paths[1]}, timeout_s)
    found = {name: np.load(path, allow_pickle=False) for name, path in made.items()}
    expected = (data.test_size, RECIPES[cell.recipe].model.outputs)
    for name, array in found.items():
        if array.shape != expected or not np.isfinite(array).all():
            wrong = f"finite outputs of shape {expected}, found {array.shape} or what is not finite"
            raise WorkerFailed(f"{cell.framework} {cell.recipe} evaluate at the weights of {name}: expected {wrong}")
    return found
