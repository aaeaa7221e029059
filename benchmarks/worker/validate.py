"""Whether a JSON value is of a type: exactly the fields of a TypedDict, lists, objects, and checks beside a type.

Both sides of the wire use it (protocol.py). Needs the standard library alone.
"""

from __future__ import annotations

import functools
import math
import sys
import types
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)


def mistake(kind: Any, value: object, name: str = "", partial: bool = False) -> str:
    """Return what is wrong with a JSON value of a type, such as `lacks 'cell.threads'`; empty if nothing is.

    `name` is the value's own in its message; `partial` lets fields of the outermost object be absent.
    """
    form, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _object_mistake(kind, value, name, partial)
    if form is Annotated:
        wrong = mistake(parts[0], value, name)
        return wrong or ("" if all(check(value) for check in parts[1:]) else _not_valid(name, value))
    if form in (Union, types.UnionType):
        mistakes = [mistake(part, value, name) for part in parts]
        return "" if not all(mistakes) else mistakes[0] if isinstance(value, dict) else _not_valid(name, value)
    if form is list and isinstance(value, list):
        return next(filter(None, (mistake(parts[0], item, f"{name}[{n}]") for n, item in enumerate(value))), "")
    if form is dict and isinstance(value, dict):
        return next(filter(None, (mistake(parts[1], item, f"{name}.{key}") for key, item in value.items())), "")
    valid = value in parts if form is Literal else _is_plain(kind, value)
    return "" if valid else _not_valid(name, value)


def _object_mistake(kind: type, value: object, name: str, partial: bool) -> str:
    """Return what is wrong with an object that a TypedDict describes."""
    if not isinstance(value, dict):
        return _not_valid(name, value)
    prefix = f"{name}." if name else ""
    found = _fields(kind)
    if unknown := [key for key in value if key not in found]:
        return f"has an unknown field {shown(prefix + unknown[0])}"
    for key, (field, required) in found.items():
        if key not in value:
            if required and not partial:
                return f"lacks {prefix + key!r}"
        elif wrong := mistake(field, value[key], prefix + key):
            return wrong
    return ""


@functools.cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a TypedDict: the type of each, and whether it is required."""
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        marked = get_origin(hint) in (Required, NotRequired)
        found[name] = (get_args(hint)[0] if marked else hint, get_origin(hint) is not NotRequired)
    return found


def _is_plain(kind: Any, value: object) -> bool:
    """Return whether a value is of a type without parts: bool is no int, an int has 64 bits, a float is finite."""
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and abs(cast(float, value)) <= sys.float_info.max
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return isinstance(value, kind) if isinstance(kind, type) else False


def _not_valid(name: str, value: object) -> str:
    return f"has no valid {shown(name)}: {shown(value)}" if name else f"is not valid: {shown(value)}"


def shown(value: object) -> str:
    """Return a value in few characters."""
    return "infinity" if isinstance(value, float) and math.isinf(value) else repr(value)[:80]
