"""What a framework without float64 is held to, in float32: the verdict is `float32 only`, and never `pass`.

In float64 every difference in the arithmetic shows and rounding does not. In float32 rounding grows with each step, and
once it flips a ReLU or a maximum losses part by thousandths. So the bounds of the run of all steps grow, too; what it
cannot see is asked of short runs, from each of the weights that single steps begin with: RESTARTS steps in one go, on
batches that no rounding flips, with the optimiser's state. Rounding averages out along the way that they move all
weights, which a wrong rate and a step left out do not.

Measured on a CPU in float32, seven recipes in numpy, torch, jax, paddle, mxnet and mlx, at a batch of 25 (all steps)
and of 100 (short runs). Losses of honest frameworks part by 2.7e-6 up to step 10, 5e-4 up to 20, 3e-3 up to 50, 1.4e-2
up to 100 and 7e-2 up to 200; short runs by 2.9e-6 along their way, one parameter by 8e-5. Each bound is ten times that,
or more.
"""

from __future__ import annotations

import math
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter
from adapters.declaration import Recipe
from adapters.numpy import NumpyAdapter
from adapters.weights import Weights
from benchmarks.worker.inputs import copied
from benchmarks.worker.lockstep.bounds import BOUNDS, decided
from benchmarks.worker.lockstep.reference import Reference, at_places
from benchmarks.worker.train import BatchCursor

Array = npt.NDArray[Any]
RUN = {10: 3e-5, 20: 1e-2, 50: 5e-2, 100: 0.2, 200: 1.0}  # of losses up to a step, of all steps in one go
ALONG = 3e-5  # of how far short runs move all weights
PARAMETER = 1e-3  # of what they move one parameter, beyond rounding of the weights themselves
ROUNDING = 2.0**-24  # of a weight by one step, at most


def run_bounds(steps: int) -> npt.NDArray[np.float64]:
    """Return the bound of each loss of a run in one go, (S,); after the last step above it stays."""
    places = np.searchsorted(list(RUN), np.arange(1, steps + 1))
    return np.array(list(RUN.values()))[np.minimum(places, len(RUN) - 1)]


def short_runs(adapter: Adapter, recipe: Recipe, known: Reference, candidates: tuple[Array, Array], input: str) -> str:
    """Return what is wrong with steps in one go from each of the weights, empty if nothing is.

    images (S, B, C, H, W) float64 and labels (S, B) are the candidates; the adapter is one of float32.
    """
    for place, start in known.starts.items():
        images, labels = at_places(*candidates, known.batches[place])
        oracle = NumpyAdapter(recipe, dtype="float64")
        oracle.set_weights(start)
        preloaded = oracle.put(images, labels)
        judged = decided(recipe.optimiser, oracle.gradients(preloaded, 0), BOUNDS["float32"].gradient)
        oracle.train(preloaded, 0, len(labels))
        adapter.set_weights(copied(start))
        with closing(BatchCursor(adapter, images.astype(adapter.dtype), labels, input)) as training:
            training.train(len(labels))
            adapter.synchronise()
        if wrong := _apart(start, adapter.get_weights(), oracle.get_weights(), judged, len(labels)):
            return f"float32, {len(labels)} steps in one go{place}, though single steps agree: {wrong}"
    return ""


def _apart(start: Weights, found: Weights, expected: Weights, judged: npt.NDArray[np.bool_], steps: int) -> str:
    """Return what moved otherwise than the reference network's weights; `judged`: which elements of all, in order."""
    parts = np.split(judged, np.cumsum([array.size for array in start.values()])[:-1])
    ways, errors = [], []
    for (name, array), part in zip(expected.items(), parts, strict=True):
        chosen = part.reshape(array.shape)
        way, error = (array - start[name])[chosen], (found[name] - array)[chosen]
        if not np.isfinite(error).all():
            return f"{name} is not finite"
        rounding = math.sqrt(steps) * ROUNDING * float(np.linalg.norm(array))
        deviation = max(0.0, float(np.linalg.norm(error)) - rounding) / (float(np.linalg.norm(way)) or 1.0)
        if deviation >= PARAMETER:
            return f"what they move {name} deviates by {deviation:.1e} (bound {PARAMETER:.0e})"
        ways.append(way)
        errors.append(error)
    way, error = np.concatenate(ways), np.concatenate(errors)
    along = abs(float(way @ error)) / (float(way @ way) or 1.0)
    return f"how far they move the weights deviates by {along:.1e} (bound {ALONG:.0e})" if along >= ALONG else ""
