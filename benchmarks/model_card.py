"""The model card of saved weights: what network they are of and where they come from, as JSON that is read strictly.

The declaration stands in it whole, so that weights are never taken for those of a network that has only its name.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from adapters.declaration import Recipe
from adapters.recipes import RECIPES
from benchmarks import regular
from benchmarks.datasets.reading import shown
from benchmarks.errors import DataError, StorageError
from benchmarks.values import loads

Card = dict[str, Any]
VERSION = 1
MAX_BYTES = 1 << 20  # one of fifty epochs has 10 kB
MEANING = ("model", "loss", "pixels")  # the parts of a recipe that decide what its weights compute
WHAT: dict[type, str] = {str: "a text", dict: "an object"}
FIELDS: dict[str, type] = {"weights_sha256": str, "recipe": dict}
OPTIONAL: dict[str, type] = {"dataset": dict, "training": dict, "scores": dict, "versions": dict, "commit": str}


def declared(value: Any) -> Any:
    """Return a declaration as plain JSON values; `type` names the class of what is no plain value."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: declared(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    return [declared(item) for item in value] if isinstance(value, tuple) else value


def text(recipe: Recipe, weights_sha256: str, about: Card) -> str:
    """Return the card of some weights; `about` is what is known of them beside their declaration."""
    card = {"card_version": VERSION, **about, "recipe": declared(recipe), "weights_sha256": weights_sha256}
    return json.dumps(card, indent=1, allow_nan=False) + "\n"


def read(path: Path) -> tuple[Card, Recipe]:
    """Return a card and the recipe it names; DataError if it is none, or of a network declared otherwise here."""
    card = parsed(path)
    for name, kind in (*FIELDS.items(), *((name, kind) for name, kind in OPTIONAL.items() if name in card)):
        if not isinstance(card.get(name), kind):
            raise DataError(f"{shown(path)}: expected {name!r} to be {WHAT[kind]}, found {brief(card.get(name))}")
    name = card["recipe"].get("name")
    if not isinstance(name, str) or name not in RECIPES:
        raise DataError(f"{shown(path)}: no recipe {brief(name)} here; known: {', '.join(RECIPES)}")
    ours = declared(RECIPES[name])
    for part in MEANING:
        if card["recipe"].get(part) != ours[part]:
            raise DataError(f"{shown(path)}: its {part} is not the one that {name!r} declares here; train it again")
    return card, RECIPES[name]


def parsed(path: Path) -> Card:
    """Return the JSON object of a card of this version; DataError for anything else."""
    try:
        with regular.opened(path) as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise DataError(f"{shown(path)} is larger than {MAX_BYTES} bytes: no model card")
            card = loads(file.read(MAX_BYTES))
    except StorageError as error:  # a pipe, a device, a link
        raise DataError(f"{shown(path)}: {shown(str(error))}") from None
    except OSError as error:
        raise DataError(f"cannot read the model card {shown(path)}: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"damaged model card {shown(path)}: {shown(str(error))[:200]}") from None
    if not isinstance(card, dict) or not same(card.get("card_version"), VERSION):
        found = brief(card.get("card_version")) if isinstance(card, dict) else "no object"
        raise DataError(f"damaged model card {shown(path)}: expected card_version {VERSION}, found {found}")
    return card


def same(value: Any, number: int) -> bool:
    """Return whether a JSON value is this whole number: true is none, though Python says that it equals 1."""
    return type(value) is int and value == number


def brief(value: Any) -> str:
    """Return a value of a card in few characters that no terminal obeys."""
    return ascii(value)[:60]
