"""JSON from others, read strictly, and the checks that tables of columns and answers are made of.

A check takes a JSON value of any kind and returns whether it is valid, unless its docstring says what it takes.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

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


def fits(kind: str, value: Any) -> bool:
    """Return whether a JSON value is of a column's kind; bool is not an int, NaN and infinities are not floats.

    Integers are those of 64 bits, as in every frame; one too large for a float is not a float either.
    """
    match kind:
        case "str":
            return isinstance(value, str)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        case "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        case "strings":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "object":
            return isinstance(value, dict)
        case _:
            return isinstance(value, list) and all(fits(kind.removesuffix("s"), item) for item in value)


def positive(value: Any) -> bool:
    """Return whether a number is above zero."""
    return bool(value > 0)


def at_least_zero(value: Any) -> bool:
    """Return whether a number is not below zero."""
    return bool(value >= 0)


def fraction(value: Any) -> bool:
    """Return whether a number lies within 0..1."""
    return bool(0 <= value <= 1)


text: Check = partial(fits, "str")
strings: Check = partial(fits, "strings")
number: Check = partial(fits, "float")
whole: Check = partial(fits, "int")


def optional(check: Check) -> Check:
    """Return a check that lets null pass, too."""
    return lambda value: value is None or check(value)


def listed(check: Check) -> Check:
    """Return a check for lists whose members all pass."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def mapping(check: Check) -> Check:
    """Return a check for objects whose values all pass."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))
