"""What a worker's answer must be, task by task, before anything is done with it: a framework is not trusted.

Strict JSON in UTF-8: no key twice, no NaN, numbers within their columns' bounds, nothing that is not a worker's to say.
"""

from __future__ import annotations

import json
import math
from typing import Any

from benchmarks.schema import BY_NAME, COLUMNS, TASKS
from benchmarks.values import (
    Check,
    count,
    fits,
    given,
    invalid,
    items,
    listed,
    loads,
    mapping,
    number,
    one_of,
    optional,
    rate,
    strings,
    text,
)

Answer = dict[str, Any]

STATUSES = ("ok", "unsupported", "failed", "oom", "nan", "invalid")  # the others are for the harness to say
HARNESS = frozenset(column.name for column in COLUMNS if column.by == "harness")  # not a worker's to say


class AnswerInvalid(ValueError):
    """An answer is none; the message goes on after `the worker's answer`."""


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
        said = loads(answer)
    except ValueError as error:
        raise AnswerInvalid(f"cannot be read: {error}") from None
    if not isinstance(said, dict) or not text(said.get("reason")) or said.get("status") not in STATUSES:
        raise AnswerInvalid(f"cannot be read: it has no reason, or no status out of {', '.join(STATUSES)}")
    if len(json.dumps(said)) > largest_bytes:  # as it would be written: what is no ASCII takes six times the room
        raise AnswerInvalid(f"is longer than {largest_bytes} bytes")
    if said["status"] == "ok" and (name := invalid(NEEDED.get(task, {}), said)):
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
