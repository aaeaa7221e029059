"""What a worker's answer must be, task by task, before anything is done with it: a framework is not trusted.

Strict JSON in UTF-8: no key twice, no NaN, numbers within their columns' bounds, nothing that is not a worker's to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from benchmarks.schema import BY_NAME, COLUMNS, TASKS, fits
from benchmarks.storage import refuse, unique

Answer = dict[str, Any]
Check = Callable[[Any], bool]

STATUSES = ("ok", "unsupported", "failed", "oom", "nan", "invalid")  # the others are for the harness to say
HARNESS = frozenset(column.name for column in COLUMNS if column.by == "harness")  # not a worker's to say


class AnswerInvalid(ValueError):
    """An answer is none; the message goes on after `the worker's answer`."""


def number(value: Any) -> bool:
    """Return whether a JSON value is a finite number."""
    return fits("float", value)


def mapping(check: Check) -> Check:
    """Return a check for objects whose values all pass `check`."""
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def items(**checks: Check) -> Check:
    """Return a check for lists, at least one long, of objects whose members pass; an absent member is None."""
    return lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and all(check(item.get(n)) for n, check in checks.items()) for item in value)
    )


def text(value: Any) -> bool:
    """Return whether a value is a string."""
    return isinstance(value, str)


def rate(value: Any) -> bool:
    """Return whether a value is a speed."""
    return number(value) and value > 0


def count(value: Any) -> bool:
    """Return whether a value is a whole number from 1."""
    return fits("int", value) and value > 0


def given(value: Any) -> bool:
    """Return whether there is a value; its column says which may be."""
    return value is not None


def optional(check: Check) -> Check:
    """Return a check that lets null pass, too."""
    return lambda value: value is None or check(value)


def one_of(*known: str) -> Check:
    """Return a check for one of a few words."""
    return lambda value: value in known


def strings(value: Any) -> bool:
    """Return whether a value is a list of strings."""
    return fits("strings", value)


def listed(check: Check) -> Check:
    """Return a check for lists whose members all pass `check`."""
    return lambda value: isinstance(value, list) and all(map(check, value))


TEXTS = mapping(text)
NEEDED: dict[str, dict[str, Check]] = {  # of an answer that is ok
    "probe": {
        "versions": TEXTS,
        "devices": TEXTS,
        "libraries": mapping(lambda value: True),
        "unsupported": mapping(optional(text)),
        "recommended": mapping(TEXTS),
    },
    "prove": {
        "lockstep": one_of("pass", "fail"),
        "why": text,
        "steps": count,
        "float64_deviation": number,
        "by_step": optional(mapping(number)),
        "deviations": mapping(optional(number)),
        "oracle_sha256": text,
    },
    **{task: {column.name: given for column in COLUMNS if task in column.needed_by} for task in TASKS},
    "products": {"flags": strings, "sizes": items(size=count, flops_per_s=optional(rate))},
    "copies": {"flags": strings, "sets": items(set_bytes=count, bytes_per_s=rate)},
    "serving": {"mode": text, "version": text},
    "served": {"outputs": listed(number), "seconds": rate},
    "bandwidth": {"sets": items(set_bytes=count, bytes_per_s=rate)},
}


def read(answer: bytes, task: str, largest_bytes: int = 1 << 19) -> Answer:
    """Return what the bytes say, with `status` and `reason`; AnswerInvalid says what is wrong with them."""
    try:
        said = json.loads(answer.decode(), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise AnswerInvalid(f"cannot be read: {error}") from None
    if not isinstance(said, dict) or not text(said.get("reason")) or said.get("status") not in STATUSES:
        raise AnswerInvalid(f"cannot be read: it has no reason, or no status out of {', '.join(STATUSES)}")
    if len(json.dumps(said)) > largest_bytes:  # as it would be written: what is no ASCII takes six times the room
        raise AnswerInvalid(f"is longer than {largest_bytes} bytes")
    for name, check in NEEDED.get(task, {}).items() if said["status"] == "ok" else ():
        if not check(said.get(name)):
            raise AnswerInvalid(f"has no valid {name!r}: {shown(said.get(name))}")
    if task in TASKS:
        check_columns(said)
    return said


def check_columns(said: Answer) -> None:
    """Hold an answer to the table of columns; AnswerInvalid names the first that does not fit."""
    for name, value in said.items():
        if name in ("status", "reason"):
            continue
        if name not in BY_NAME or name in HARNESS:
            raise AnswerInvalid(f"says {name!r}, which is not a worker's to say")
        column = BY_NAME[name]
        if value is not None and not (fits(column.kind, value) and column.check(value)):
            raise AnswerInvalid(f"has no valid {name!r}: {shown(value)} ({column.meaning})")


def shown(value: Any) -> str:
    """Return a value in few characters."""
    return "infinity" if isinstance(value, float) and math.isinf(value) else repr(value)[:80]
