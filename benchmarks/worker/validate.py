"""JSON from others, read strictly and held to types: what both sides of the wire send, and what files hold.

A type is a TypedDict, whose fields are exactly those of the object, a list, an object, a plain type, or one with checks
beside it (Annotated). A check takes a value of its type and returns whether it is valid. Needs the standard library
alone.
"""

from __future__ import annotations

import functools
import json
import math
import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

Check = Callable[[Any], bool]


def loads(content: bytes | str) -> Any:
    """Return the value of strict JSON in UTF-8; ValueError for a key twice, NaN, or a number beyond a float's."""
    text = content if isinstance(content, str) else content.decode()
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key occurs twice")
    return built


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant[:20]} is not JSON")


def _finite(number: str) -> float:
    value = float(number)  # infinity for one such as 1e999
    return value if math.isfinite(value) else _refuse(number)


def _is_int(value: object) -> bool:
    """Return whether a value is an integer of 64 bits, as in every frame; bool is none."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_float(value: object) -> bool:
    """Return whether a value is a finite number; bool is none, nor is an integer too large for a float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


PLAIN: dict[Any, Check] = {str: lambda value: isinstance(value, str), int: _is_int, float: _is_float}


def positive(value: float) -> bool:
    """Return whether a number is above zero."""
    return value > 0


def fraction(value: float) -> bool:
    """Return whether a number lies within 0..1."""
    return 0 <= value <= 1


def mistake(kind: Any, value: object, name: str = "", partial: bool = False) -> str:
    """Return what is wrong with a JSON value of a type, such as `lacks 'cell.threads'`; empty if nothing is.

    `name` is the value's own in its message; `partial` lets fields of the outermost object be absent.
    """
    if check := PLAIN.get(kind):
        return "" if check(value) else _not_valid(name, value)
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
        if (check := PLAIN.get(parts[0])) and all(map(check, value)):  # a row has hundreds of numbers
            return ""
        return next(filter(None, (mistake(parts[0], item, f"{name}[{n}]") for n, item in enumerate(value))), "")
    if form is dict and isinstance(value, dict):
        return next(filter(None, (mistake(parts[1], item, f"{name}.{key}") for key, item in value.items())), "")
    valid = value in parts if form is Literal else isinstance(kind, type) and isinstance(value, kind)
    return "" if valid else _not_valid(name, value)


def _object_mistake(kind: type, value: object, name: str, partial: bool) -> str:
    """Return what is wrong with an object that a TypedDict describes."""
    if not isinstance(value, dict):
        return _not_valid(name, value)
    prefix = f"{name}." if name else ""
    fields = _fields(kind)
    if unknown := [key for key in value if key not in fields]:
        return f"has an unknown field {shown(prefix + unknown[0])}"
    for key, (field, required) in fields.items():
        if key not in value:
            if required and not partial:
                return f"lacks {prefix + key!r}"
        elif wrong := mistake(field, value[key], prefix + key):
            return wrong
    return ""


@functools.cache
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a TypedDict: the type of each, and whether it is required."""
    fields = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        required = get_origin(hint) is not NotRequired
        fields[name] = (hint if required else get_args(hint)[0], required)
    return fields


def _not_valid(name: str, value: object) -> str:
    return f"has no valid {shown(name)}: {shown(value)}" if name else f"is not valid: {shown(value)}"


def shown(value: object) -> str:
    """Return a value in few characters."""
    return "infinity" if isinstance(value, float) and math.isinf(value) else repr(value)[:80]
