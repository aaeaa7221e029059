"""A trained network as a folder: weights.safetensors, the card that says what they are, and what was drawn of it.

Made whole or not at all: beside its place, under a hidden name, and renamed when everything is in it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.declaration import Recipe
from adapters.weights import Weights
from benchmarks import model_card, weights_file
from benchmarks.datasets.reading import file_sha256, shown
from benchmarks.errors import DataError, StorageError, UsageError
from benchmarks.model_card import Card

WEIGHTS, CARD, CURVES, NATIVE = "weights.safetensors", "card.json", "curves.svg", "native"
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True)
class Saved:
    """What such a folder holds: float32 weights by parameter name, in the declaration's order, and the card."""

    folder: Path
    recipe: Recipe
    weights: Weights
    card: Card


def write(folder: Path, recipe: Recipe, weights: Weights, card: Card) -> None:
    """Make the folder, whole or not at all; `card` is what is known beside the declaration. May raise as made()."""
    with made(folder) as part:
        fill(part, recipe, weights, card)


def fill(part: Path, recipe: Recipe, weights: Weights, card: Card) -> None:
    """Put weights and card into a folder that is being made; DataError if the weights are not the declared ones."""
    with writing(part):
        weights_file.write(part / WEIGHTS, weights, recipe=recipe.name)
        weights_file.read(part / WEIGHTS, recipe.model)
        (part / CARD).write_text(model_card.text(recipe, file_sha256(part / WEIGHTS), card))


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes this name when the block ends well, and is removed when it does not.

    UsageError where there is something already, which stays as it is; StorageError where nothing can be written;
    EnvironmentMissing where this Python cannot write weights.
    """
    weights_file.possible()
    part = folder.absolute().parent / f".{folder.absolute().name}.{os.getpid()}.part"
    with writing(folder):
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise occupied(folder)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
    try:
        yield part
        with writing(folder):
            part.rename(folder)  # takes the place of an empty folder, and of nothing else
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says into an error of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in OCCUPIED:
            raise occupied(folder) from None
        raise StorageError(f"cannot write {shown(folder)}: {error.strerror or error}") from error


def occupied(folder: Path) -> UsageError:
    """Return the error of a place that is taken."""
    return UsageError(f"{shown(folder)} is there and not an empty folder; name another, or move it away")


def read(folder: Path) -> Saved:
    """Return what a folder holds; DataError, one line, if it is none, damaged, or of a network unknown here."""
    if not os.path.isdir(folder):  # unlike Path.is_dir it answers for names that are too long, too
        raise DataError(f"no folder {shown(folder)}; make one with: python -m benchmarks train --save {shown(folder)}")
    if not (folder / CARD).exists():
        raise DataError(f"{shown(folder)} has no {CARD}: no folder that `python -m benchmarks train --save` made")
    card, recipe = model_card.read(folder / CARD)
    weights = weights_file.read(folder / WEIGHTS, recipe.model)
    if file_sha256(folder / WEIGHTS) != card["weights_sha256"]:
        raise DataError(f"{shown(folder / WEIGHTS)} is not the file that {CARD} was written for: its SHA-256 differs")
    return Saved(folder, recipe, weights, card)
