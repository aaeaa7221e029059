"""Trained weights as files: safetensors in the canonical layout, so that any framework can go on with them.

Used by the parent alone: a worker reads and writes the same arrays as .npz, for which NumPy is enough.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adapters.declaration import Model
from adapters.weights import Weights
from benchmarks.datasets.reading import shown
from benchmarks.errors import DataError
from benchmarks.packages import require

MAX_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 20  # names and shapes; those of the largest declared network take 2 kB
DTYPES = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
# First bytes of what holds weights elsewhere and can run code when it is read: never opened, whatever the name.
OTHERS = {b"PK": "a zip archive, as torch.save and numpy.savez write", b"\x80": "a pickle", b"\x93NUMPY": "a .npy file"}


def write(path: Path, weights: Weights, **about: str) -> None:
    """Write float32 arrays by parameter name, with `about` as the file's metadata; whole or not at all."""
    possible()
    from safetensors.numpy import save  # noqa: PLC0415 - see packages.py

    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(save(arrays, metadata=about))
    part.rename(path)


def read(path: Path, model: Model) -> Weights:
    """Return the model's parameters in the declaration's order; DataError if the file does not hold exactly them.

    The header is held to the file's size, then to the declaration, before a parameter is read.
    """
    possible()
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - see packages.py

    try:
        check_header(path, model)
        with safe_open(path, framework="numpy") as file:
            check_parameters(path, model, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118  # no dict
            weights = {parameter.name: file.get_tensor(parameter.name) for parameter in model.parameters()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read weights from {shown(path)}: {error}") from error
    if unusable := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise DataError(f"{shown(path)}: {unusable[0]} holds values that are not finite")
    return weights


def possible() -> None:
    """Raise EnvironmentMissing where this Python cannot read and write such files: before a training, not after it."""
    require("a file of weights", "safetensors")


def check_header(path: Path, model: Model) -> None:
    """Raise DataError for what is no safetensors file, or for sizes that cannot be, from the first eight bytes.

    Source: https://github.com/huggingface/safetensors#format, 8 bytes of header size, little-endian, before the header.
    """
    if not path.is_file():
        raise DataError(f"cannot read weights from {shown(path)}: no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{shown(path)} is larger than {MAX_BYTES} bytes: no weights of {model.name!r}")
    with path.open("rb") as file:
        start = file.read(8)
    claimed = int.from_bytes(start, "little")
    if len(start) == 8 and claimed <= min(MAX_HEADER_BYTES, size - 8):
        return
    bound = f"a header of at most {MAX_HEADER_BYTES} bytes in a file of {size}"
    found = next((kind for magic, kind in OTHERS.items() if start.startswith(magic)), f"a claim of {claimed} bytes")
    raise DataError(
        f"cannot read weights from {shown(path)}: offset 0: expected {bound}, found {found};"
        " pass what safetensors.numpy.save_file wrote"
    )


def check_parameters(path: Path, model: Model, found: Mapping[str, Any]) -> None:
    """Raise DataError unless names, shapes and dtypes are the declared ones."""
    about = {
        name: (tuple(part.get_shape()), DTYPES.get(part.get_dtype(), part.get_dtype())) for name, part in found.items()
    }
    declared = {parameter.name: (parameter.shape, "float32") for parameter in model.parameters()}
    for name in sorted(about.keys() | declared.keys()):
        if about.get(name) != declared.get(name):
            raise DataError(
                f"{shown(path)} does not hold the weights of {model.name!r}: {shown(name)} is {words(about.get(name))},"
                f" declared {words(declared.get(name))}"
            )


def words(entry: tuple[tuple[int, ...], str] | None) -> str:
    """Say what a parameter is: its shape and dtype, or that there is none."""
    return "absent" if entry is None else f"{'x'.join(map(str, entry[0]))} {entry[1]}"
