"""Checkpoints that tests make of weights that nobody trained."""

from __future__ import annotations

from pathlib import Path

from adapters.declaration import Recipe
from adapters.weights import Weights
from benchmarks.models.checkpoint import Card, fill, new_folder


def write_checkpoint(folder: Path, recipe: Recipe, weights: Weights, card: Card) -> None:
    """Make a checkpoint's folder as `train --save` does; `card` is what it holds beside the declaration."""
    with new_folder(folder) as part:
        fill(part, recipe, weights, card)
