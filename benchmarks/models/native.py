"""A network in its framework's own files, proven: written in one process, loaded in another that knows nothing of us.

What those files hold is code to some loaders (paddle.load unpickles, a SavedModel is a program). So only what was
written here a moment before, from weights that were read strictly, is loaded here; files of a folder that somebody else
may have made are never loaded.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adapters.declaration import Model, Recipe, layers
from adapters.registry import framework_of
from adapters.weights import Weights
from benchmarks import files
from benchmarks.errors import WorkerFailed, plain
from benchmarks.machine import environments
from benchmarks.models.remote import LOGITS, Array, largest_deviation
from benchmarks.worker import inputs

ADAPTERS = environments.ROOT / "adapters"
STANDALONE = ADAPTERS / "standalone.py"
TIMEOUT_S = 600.0
MAX_IMAGES = 1000  # of the test images; each loader computes them in one batch


def write_and_verify(
    framework: str, device: str, recipe: Recipe, weights: Weights, folder: Path, images: Array, expected: Array
) -> dict[str, float]:
    """Write a framework's own files into a folder and load them; return each format's deviation from `expected`.

    images (N, C, H, W) uint8, expected (N, outputs): the framework's outputs through its adapter. WorkerFailed where it
    does not write or load them, or where an output is LOGITS or more away.
    """
    write(framework, device, recipe.model, weights, folder)
    pixels = inputs.pixel_values(recipe.pixels, "float32")[images[:MAX_IMAGES]]
    found = outputs(framework, device, recipe.model, folder, pixels)
    deviations = {form: largest_deviation(values, expected[:MAX_IMAGES]) for form, values in found.items()}
    for form, deviation in deviations.items():
        if deviation >= LOGITS:
            raise WorkerFailed(f"{framework}'s own {form}, loaded, computes something else: {deviation:.1e} away")
    return deviations


def write(framework: str, device: str, model: Model, weights: Weights, folder: Path) -> None:
    """Write a framework's own files into a folder. May raise WorkerFailed."""
    with files.scratch() as scratch:
        arrays = scratch / "weights.npz"
        inputs.write_weights(arrays, {name: array.astype(np.float32) for name, array in weights.items()})
        run_standalone(framework, device, model, folder, {"weights": str(arrays)})


def outputs(framework: str, device: str, model: Model, folder: Path, images: Array) -> dict[str, Array]:
    """Load what write() has just written, in a process of its own; return the outputs of each format on some images.

    images (N, C, H, W) float32, scaled as the recipe says; outputs (N, outputs). May raise WorkerFailed.
    """
    with files.scratch() as scratch:
        np.save(scratch / "images.npy", images)
        (made := scratch / "outputs").mkdir()
        run_standalone(framework, device, model, folder, {"images": f"{scratch}/images.npy", "outputs": str(made)})
        return {path.stem: np.load(path, allow_pickle=False) for path in sorted(made.glob("*.npy"))}


def run_standalone(framework: str, device: str, model: Model, folder: Path, request: Mapping[str, Any]) -> None:
    """Run adapters/standalone.py in a framework's environment for a device, but on the CPU, isolated from us."""
    python = environments.interpreter(framework, device)
    order = {
        "module": str(ADAPTERS / framework_of(framework) / "native.py"),
        "layers": layers(model),
        "name": model.name,
        "folder": str(folder.absolute()),
        **request,
    }
    task = "write" if "weights" in request else "load"
    try:
        done = subprocess.run(
            [str(python), "-I", str(STANDALONE)],
            input=json.dumps(order),
            env=environments.variables(1),
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerFailed(f"{framework} did not {task} its own files within {TIMEOUT_S:g} s") from error
    if done.returncode:
        last = next(reversed(done.stderr.strip().splitlines()), "it printed nothing")
        reason = plain(last)[:300]
        raise WorkerFailed(f"{framework} did not {task} its own files (exit code {done.returncode}): {reason}")
