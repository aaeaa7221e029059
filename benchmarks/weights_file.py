"""Trained weights as files: safetensors in the canonical layout, so that any framework can go on with them.

Used by the parent alone: a worker reads and writes the same arrays as .npz, for which NumPy is enough.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from adapters.declaration import Model
from adapters.weights import Weights
from benchmarks.errors import DataError

MAX_BYTES = 1 << 30


def write(path: Path, weights: Weights, **about: str) -> None:
    """Write float32 arrays by parameter name, with `about` as the file's metadata; whole or not at all."""
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(save(arrays, metadata=about))
    part.rename(path)


def read(path: Path, model: Model) -> Weights:
    """Return the model's parameters in the declaration's order; DataError if the file does not hold exactly them."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES} bytes: no weights of {model.name!r}")
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read weights from {path}: {error}") from error
    found = {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}
    declared = {parameter.name: (parameter.shape, "float32") for parameter in model.parameters()}
    for name in sorted(found.keys() | declared.keys()):
        if found.get(name) != declared.get(name):
            raise DataError(
                f"{path} does not hold the weights of {model.name!r}: {name} is {words(found.get(name))}, "
                f"declared {words(declared.get(name))}"
            )
    if unusable := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise DataError(f"{path}: {unusable[0]} holds values that are not finite")
    return {name: arrays[name] for name in declared}


def words(entry: tuple[tuple[int, ...], str] | None) -> str:
    """Say what a parameter is: its shape and dtype, or that there is none."""
    return "absent" if entry is None else f"{'x'.join(map(str, entry[0]))} {entry[1]}"
