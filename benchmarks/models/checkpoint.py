"""A trained network as a folder: weights.safetensors, a card that says what they are, and its curves.

The folder is made whole or not at all: under a hidden name beside its place, and renamed when everything is in it. The
card is JSON that is read strictly, and the whole declaration stands in it, so that weights are never taken for those of
another network of the same name. Weights have the canonical layout, so that any framework can go on with them. Only the
parent uses these files: a worker reads and writes the same arrays as .npz, for which NumPy is enough.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.declaration import DeclarationError, Model, Recipe
from adapters.networks import declared, recipe_of
from adapters.recipes import OURS, RECIPES, known
from adapters.weights import Weights
from benchmarks import files
from benchmarks.errors import DataError, StorageError, UsageError, require, shown
from benchmarks.files import file_sha256
from benchmarks.worker.validate import loads

MAX_WEIGHTS_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 20  # names and shapes; those of the largest declared network take 2 kB
DTYPES = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
# First bytes of what holds weights elsewhere and can run code when it is read: never opened, whatever the name.
OTHERS = {b"PK": "a zip archive, as torch.save and numpy.savez write", b"\x80": "a pickle", b"\x93NUMPY": "a .npy file"}


def write_weights(path: Path, weights: Weights, **about: str) -> None:
    """Write float32 arrays by parameter name, with `about` as the file's metadata; whole or not at all."""
    _require_safetensors()
    from safetensors.numpy import save  # noqa: PLC0415 - see errors.py

    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
    files.write_whole(path, save(arrays, metadata=about))


def read_weights(path: Path, model: Model) -> Weights:
    """Return the model's parameters in the declaration's order; DataError if the file does not hold exactly them.

    The header is held to the file's size, then to the declaration, before a parameter is read.
    """
    _require_safetensors()
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - see errors.py

    try:
        _check_header(path, model)
        with safe_open(path, framework="numpy") as file:
            _check_parameters(path, model, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118  # no dict
            weights = {parameter.name: file.get_tensor(parameter.name) for parameter in model.arrays()}
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot read weights from {shown(path)}: {error}") from error
    if unusable := [name for name, array in weights.items() if not np.isfinite(array).all()]:
        raise DataError(f"{shown(path)}: {unusable[0]} holds values that are not finite")
    return weights


def _require_safetensors() -> None:
    """Raise EnvironmentMissing where this Python cannot read or write weights."""
    require("a file of weights", "safetensors")


def _check_header(path: Path, model: Model) -> None:
    """Raise DataError where the first eight bytes are not those of a safetensors file of this size.

    Source: https://github.com/huggingface/safetensors#format, 8 bytes of header size, little-endian, before the header.
    """
    if not path.is_file():
        raise DataError(f"cannot read weights from {shown(path)}: no such file")
    size = path.stat().st_size
    if size > MAX_WEIGHTS_BYTES:
        raise DataError(f"{shown(path)} is larger than {MAX_WEIGHTS_BYTES} bytes: no weights of {model.name!r}")
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


def _check_parameters(path: Path, model: Model, found: Mapping[str, Any]) -> None:
    """Raise DataError unless names, shapes and dtypes are the declared ones."""
    about = {
        name: (tuple(part.get_shape()), DTYPES.get(part.get_dtype(), part.get_dtype())) for name, part in found.items()
    }
    declared = {parameter.name: (parameter.shape, "float32") for parameter in model.arrays()}
    for name in sorted(about.keys() | declared.keys()):
        if about.get(name) != declared.get(name):
            raise DataError(
                f"{shown(path)} does not hold the weights of {model.name!r}: {shown(name)} is"
                f" {_parameter_words(about.get(name))}, declared {_parameter_words(declared.get(name))}"
            )


def _parameter_words(entry: tuple[tuple[int, ...], str] | None) -> str:
    """Return a parameter's shape and dtype in words, or `absent`."""
    return "absent" if entry is None else f"{'x'.join(map(str, entry[0]))} {entry[1]}"


Card = dict[str, Any]
CARD_VERSION = 2
MAX_CARD_BYTES = 1 << 20  # one of fifty epochs has 10 kB
MEANING = ("model", "loss", "pixels")  # the parts of a recipe that decide what its weights compute
WHAT: dict[type, str] = {str: "a text", dict: "an object"}
CARD_FIELDS: dict[str, type] = {"weights_sha256": str, "recipe": dict}
OPTIONAL: dict[str, type] = {"dataset": dict, "training": dict, "scores": dict, "versions": dict, "commit": str}


def _read_card(path: Path) -> tuple[Card, Recipe]:
    """Return a card and its recipe; DataError if it is not valid, or the network is declared otherwise here."""
    card = _parsed(path)
    for name, kind in (*CARD_FIELDS.items(), *((name, kind) for name, kind in OPTIONAL.items() if name in card)):
        if not isinstance(card.get(name), kind):
            raise DataError(f"{shown(path)}: expected {name!r} to be {WHAT[kind]}, found {_brief(card.get(name))}")
    try:
        recipe = recipe_of(card["recipe"])
        ours = RECIPES[recipe.name] if recipe.name in OURS else known(recipe)
    except DeclarationError as error:
        raise DataError(f"{shown(path)}: its recipe: {shown(str(error))}") from None
    for part in MEANING:
        if getattr(recipe, part) != getattr(ours, part):
            raise DataError(
                f"{shown(path)}: its {part} is not the one that {ours.name!r} declares here; train it again"
            )
    return card, ours


def _parsed(path: Path) -> Card:
    """Return the JSON object of a card of this version; DataError for anything else."""
    try:
        with files.open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_CARD_BYTES:
                raise DataError(f"{shown(path)} is larger than {MAX_CARD_BYTES} bytes: no model card")
            card = loads(file.read(MAX_CARD_BYTES))
    except StorageError as error:  # a pipe, a device, a link
        raise DataError(f"{shown(path)}: {shown(str(error))}") from None
    except OSError as error:
        raise DataError(f"cannot read the model card {shown(path)}: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"damaged model card {shown(path)}: {shown(str(error))[:200]}") from None
    if not isinstance(card, dict):
        raise DataError(f"damaged model card {shown(path)}: expected an object, found no object")
    version = card.get("card_version")
    if type(version) is not int or version != CARD_VERSION:  # `true` equals 1 in Python
        raise DataError(
            f"damaged model card {shown(path)}: expected card_version {CARD_VERSION}, found {_brief(version)}"
        )
    return card


def _brief(value: Any) -> str:
    """Return a value of a card in few characters that no terminal obeys."""
    return ascii(value)[:60]


WEIGHTS, CARD, CURVES, NATIVE = "weights.safetensors", "card.json", "curves.svg", "native"
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True)
class Checkpoint:
    """What such a folder holds: float32 weights by parameter name, in the declaration's order, and the card."""

    folder: Path
    recipe: Recipe
    weights: Weights
    card: Card

    @property
    def class_names(self) -> list[str]:
        """What the classes are called, as the card says; empty where it does not."""
        found = self.card.get("dataset", {}).get("class_names")
        return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []


def fill(part: Path, recipe: Recipe, weights: Weights, about: Card) -> None:
    """Put weights and their card into a folder that is being made; DataError if the weights are not the declared ones.

    `about` is what the card holds beside the declaration.
    """
    with _writing(part):
        write_weights(part / WEIGHTS, weights, recipe=recipe.name)
        read_weights(part / WEIGHTS, recipe.model)
        card = {"card_version": CARD_VERSION, **about, "recipe": declared(recipe)}
        card["weights_sha256"] = file_sha256(part / WEIGHTS)
        (part / CARD).write_text(json.dumps(card, indent=1, allow_nan=False) + "\n")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes this name when the block ends well, and is removed when it does not.

    UsageError where there is something already, which stays as it is; StorageError where nothing can be written;
    EnvironmentMissing where this Python cannot write weights.
    """
    _require_safetensors()
    part = folder.absolute().parent / f".{folder.absolute().name}.{os.getpid()}.part"
    with _writing(folder):
        if folder.is_symlink() or (folder.exists() and any(folder.iterdir())):
            raise _occupied(folder)
        part.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
    try:
        yield part
        with _writing(folder):
            part.rename(folder)  # takes the place of an empty folder, and of nothing else
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into an error of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in OCCUPIED:
            raise _occupied(folder) from None
        raise StorageError(f"cannot write {shown(folder)}: {error.strerror or error}") from error


def _occupied(folder: Path) -> UsageError:
    """Return the error for a folder that holds something already."""
    return UsageError(f"{shown(folder)} exists and is not an empty folder; name another, or move it away")


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return what a folder holds; DataError, one line, if it is missing, damaged, or of a network unknown here."""
    if not os.path.isdir(folder):  # unlike Path.is_dir it answers for names that are too long, too
        raise DataError(f"no folder {shown(folder)}; make one with: python -m benchmarks train --save {shown(folder)}")
    if not (folder / CARD).exists():
        raise DataError(f"{shown(folder)} has no {CARD}: `python -m benchmarks train --save` did not make it")
    card, recipe = _read_card(folder / CARD)
    weights = read_weights(folder / WEIGHTS, recipe.model)
    if file_sha256(folder / WEIGHTS) != card["weights_sha256"]:
        raise DataError(f"{shown(folder / WEIGHTS)} is not the file that {CARD} was written for: its SHA-256 differs")
    return Checkpoint(folder, recipe, weights, card)
