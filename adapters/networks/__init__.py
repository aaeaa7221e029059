"""Networks as files: read from TOML, data that never runs, into a Recipe; written as plain JSON values.

A file has `name`, `layers`, and if wanted `source`, `input_shape` (channels, height, width) and the table `recipe`. The
keys of a layer are the fields of its class in declaration.py, those of `recipe` the fields of Recipe; `type` names a
class where there are several. Errors are one line with the file, the layer (`layer 3.branch.0`) and what would fit.

What a file claims is bounded before anything is computed from it. Needs the standard library alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from adapters.declaration import (
    DeclarationError,
    Layer,
    Model,
    Optimiser,
    Recipe,
    Residual,
    Schedule,
    SelfAttention,
    Shape,
)

FOLDER = Path(__file__).parent
MAX_BYTES = 1 << 20
MAX_DOTS = 40  # in a line: tomllib's time grows with the square of a dotted key's parts
MAX_LAYERS, MAX_DEPTH = 1000, 8  # a Residual within a Residual is one deeper
MAX_PARAMETERS = 10**9
MAX_VALUES = 1 << 24  # of one sample between two layers
MAX_NUMBER = 1 << 20  # of every whole number
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MAX_NAME, MAX_OWN_NAME = 60, 50  # characters; a user's own gets some of its content's hash behind it
MAX_TEXT = 200

CLASSES = (Layer, Optimiser, Schedule)  # of which a table says one by its `type`
FROM_ZERO = ("padding", "warmup_epochs")  # all other whole numbers are positive
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(("rate", "epsilon", "factor", "scale"), (lambda value: value > 0, "above 0")),
    **dict.fromkeys(("momentum", "beta1", "beta2"), (lambda value: 0 <= value < 1, "from 0, below 1")),
    "weight_decay": (lambda value: value >= 0, "0 or more"),
}
ELSEWHERE = {  # what libraries call it, in lower case
    **dict.fromkeys(("relu", "tanh", "sigmoid", "gelu", "softmax"), "Activation"), "linear": "Dense",
    **dict.fromkeys(("lr", "learning_rate"), "rate"), **dict.fromkeys(("filters", "out_channels"), "channels"),
    **dict.fromkeys(("kernel_size",), "kernel"), "pool_size": "size", "out_features": "units", "strides": "stride",
    **dict.fromkeys(("num_heads", "n_heads"), "heads"), "hidden_size": "units", "adamw": "Adam",
}  # fmt: skip
NO_DROPOUT = "; there is no dropout, as each framework draws by a generator of its own and no two would train alike"
LARGEST_FLOAT = 3.4e38  # all are rounded to float32
Values = dict[str, Any]


@dataclass(frozen=True)
class _File:
    """The top of a file; `model` is the network's name where it is not the recipe's, as of our own variants."""

    name: str
    layers: tuple[Layer, ...]
    input_shape: Shape = Model.input_shape
    source: str = ""
    model: str = ""
    recipe: Values = dataclasses.field(default_factory=dict)  # fields of Recipe


def parsed(content: bytes, file: str) -> Recipe:
    """Return the recipe in a file's content; DeclarationError, one line that begins with the file, for any other."""
    try:
        if len(content) > MAX_BYTES:
            raise DeclarationError(f"larger than {MAX_BYTES} bytes; a network has a few thousand")
        if any(line.count(b".") > MAX_DOTS for line in content.splitlines()):
            raise DeclarationError(f"a line has more than {MAX_DOTS} dots; write a layer a line")
        try:
            values = tomllib.loads(content.decode())
        except (ValueError, RecursionError) as error:
            raise DeclarationError(f"not TOML: {_line(str(error))}") from None
        if "model" in values:
            raise DeclarationError("unknown 'model'; `name` is the network's and the recipe's")
        return recipe_of(values, MAX_OWN_NAME)
    except DeclarationError as error:
        raise DeclarationError(f"{file}: {error}") from None


def recipe_of(values: object, longest_name: int = MAX_NAME) -> Recipe:
    """Return the recipe that a file's values, or those of `declared`, are; DeclarationError otherwise."""
    file = _record(_File, values, "")
    for name in (file.name, file.model or file.name):
        if not NAME.fullmatch(name) or len(name) > longest_name:
            known = f"expected up to {longest_name} letters, digits, '_', '-' and '.', a letter or digit first"
            raise DeclarationError(f"name {_shown(name)}: {known}")
    if not file.layers or (amount := sum(map(_amount, file.layers))) > MAX_LAYERS:
        raise DeclarationError(f"layers: expected 1 to {MAX_LAYERS:,}, found {amount if file.layers else 0:,}")
    if len(file.input_shape) != 3:
        raise DeclarationError(f"input_shape: expected channels, height, width, found {list(file.input_shape)}")
    model = Model(file.model or file.name, file.layers, file.input_shape)
    _check_size(model)
    settings = {"optimiser": {"type": "SGD", "rate": 0.1}, **file.recipe}
    found: Recipe = _record(Recipe, settings, "recipe", name=file.name, model=model, source=file.source)
    return found


def declared(recipe: Recipe) -> Values:
    """Return a recipe as plain JSON values from which `recipe_of` makes an equal one; all that it decides is there."""
    model = recipe.model
    other = {} if model.name == recipe.name else {"model": model.name}
    settings = {field.name: _plain(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}
    for name in ("name", "model", "source"):
        del settings[name]
    about = {"name": recipe.name, "source": recipe.source, "input_shape": list(model.input_shape)}
    return {**about, **other, "layers": _plain(model.layers), "recipe": settings}


def digest(recipe: Recipe) -> str:
    """Return a recipe's identity, 64 hex digits: of all that decides what is computed, its names and source apart."""
    values = {key: value for key, value in declared(recipe).items() if key not in ("name", "model", "source")}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return a part of a declaration as JSON values."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        several = any(isinstance(value, kind) for kind in CLASSES)
        return ({"type": type(value).__name__} if several else {}) | fields
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _amount(layer: Layer) -> int:
    """Return how many layers a layer is, those within it included."""
    return 1 + sum(map(_amount, (*layer.branch, *layer.shortcut))) if isinstance(layer, Residual) else 1


def _check_size(model: Model) -> None:
    """Raise DeclarationError for a network that no machine could hold."""
    if model.parameter_count > MAX_PARAMETERS:
        raise DeclarationError(f"{model.parameter_count:,} parameters; at most {MAX_PARAMETERS:,} are read")
    for place in model.places():
        attends = isinstance(place.layer, SelfAttention)
        values = math.prod(place.after) * (place.after[0] if attends else 1)
        if values > MAX_VALUES or math.prod(place.before) > MAX_VALUES:
            words = f"layer {place.at}, {type(place.layer).__name__}"
            raise DeclarationError(f"{words}: more than {MAX_VALUES:,} values of one image; make it smaller")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _record(kind: Any, table: object, at: str, **given: Any) -> Any:
    """Return an instance of a dataclass; the table's keys are its fields but for those that are given."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.name not in given}
    if not isinstance(table, Mapping):
        raise _unfit(at, f"a table of {', '.join(fields)}", table)
    for key in table:
        if key not in fields and kind is _File and key in _hints(Recipe):
            raise DeclarationError(f"{_shown(key)} at the top; put it below a line [recipe]")
        if key not in fields:
            known = [name for name in fields if kind is not _File or name != "model"]
            raise DeclarationError(f"{_begin(at)}unknown {_shown(key)}{nearest(str(key), known)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in table:
            raise DeclarationError(f"{_begin(at)}lacks {name!r}, {_words(_hints(kind)[name], name)}")
    values = {name: _value(_hints(kind)[name], value, at, name) for name, value in table.items()}
    try:
        return kind(**values, **given)
    except DeclarationError as error:
        begin = "" if at and str(error).startswith(at) else _begin(at)  # a Recipe's own errors say that they are one
        raise DeclarationError(f"{begin}{error}") from None


def _value(hint: Any, value: object, at: str, name: str) -> Any:
    """Return the value of a field of this type, `name`, of the table at `at`."""
    where = f"{at}.{name}" if at == "recipe" else f"{_begin(at)}{name}"
    if hint == tuple[Layer, ...]:
        return _layers(value, "" if at == "" else f"{at.split()[1].rstrip(',')}.{name}.", where)
    if hint == Shape:
        if not isinstance(value, list) or not 1 <= len(value) <= 4:
            raise _unfit(where, _words(hint, name), value)
        return tuple(_value(int, item, at, name) for item in value)
    if _is_several(hint):
        return _one_of(hint, value, where)
    if dataclasses.is_dataclass(hint):
        return _record(hint, value, where)
    if not _fits(hint, value, name):
        raise _unfit(where, _words(hint, name), value)
    return float(value) if hint is float else value  # type: ignore[arg-type]  # _fits: it is a number


def _fits(hint: Any, value: object, name: str) -> bool:
    """Return whether a plain value is one of a field."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return number and isinstance(value, int) and (name not in FROM_ZERO) <= value <= MAX_NUMBER
    if hint is float:
        check = RANGES.get(name, (lambda _: True, ""))[0]
        return number and abs(value) <= LARGEST_FLOAT and check(value)  # type: ignore[arg-type]
    if hint is str:
        return isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()
    return isinstance(value, get_origin(hint) or hint)


def _layers(value: object, within: str, where: str) -> tuple[Layer, ...]:
    """Return a chain of layers; `within` is what their places begin with."""
    if not isinstance(value, list):
        raise _unfit(where, "a list of layers", value)
    if within.count(".") // 2 > MAX_DEPTH:
        raise DeclarationError(f"{where}: more than {MAX_DEPTH} Residual within each other")
    return tuple(_one_of(Layer, layer, f"layer {within}{index}") for index, layer in enumerate(value))


def _one_of(hint: Any, table: object, at: str) -> Any:
    """Return an instance of the class that a table names by its `type`."""
    classes = {kind.__name__: kind for kind in get_args(hint)}
    if not isinstance(table, Mapping) or not isinstance(name := table.get("type"), str):
        raise _unfit(at, f'a table with its type, such as {{ type = "{next(iter(classes))}" }}', table)
    if name not in classes:
        reason = NO_DROPOUT if "dropout" in name.lower() else nearest(name, classes)
        raise DeclarationError(f"{at}: unknown type {_shown(name)}{reason}")
    return _record(classes[name], {key: table[key] for key in table if key != "type"}, f"{at}, {name}")


def _is_several(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def _words(hint: Any, name: str) -> str:
    """Return what a field takes, in words."""
    if hint is int:
        return f"a whole number from {int(name not in FROM_ZERO)} to {MAX_NUMBER:,}"
    if hint is float:
        return f"a number {RANGES[name][1]}" if name in RANGES else "a number"
    if hint == Shape:
        return "a list of whole numbers such as [1, 28, 28]"
    if hint == tuple[Layer, ...]:
        return "a list of layers"
    return {bool: "true or false", str: f"a text of at most {MAX_TEXT} characters"}.get(hint, "a table")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about a name: the one that may have been meant, and all."""
    by_case = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name[:60].lower(), by_case, 1)
    if (other := ELSEWHERE.get(name.lower(), "")) in by_case.values():
        near = [other.lower()]
    hint = f"; did you mean {by_case[near[0]]}? Known: " if near else "; known: "
    return hint + (", ".join(by_case.values()) or "none")


def _begin(at: str) -> str:
    return f"{at}: " if at else ""


def _unfit(where: str, wanted: str, value: object) -> DeclarationError:
    return DeclarationError(f"{_begin(where)}expected {wanted}, found {_shown(value)}")


def _shown(value: object) -> str:
    """Return a value in few characters that no terminal obeys."""
    if isinstance(value, (Mapping, list)):
        return "a table" if isinstance(value, Mapping) else f"a list of {len(value):,}"
    if isinstance(value, int) and abs(value) > LARGEST_FLOAT:  # Python refuses to write out what has many digits
        return "a number beyond all bounds"
    text = str(value).lower() if isinstance(value, bool) else ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:200]
