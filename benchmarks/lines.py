"""What the lines of a results file hold that are no rows, a small table for each kind; rows have theirs in schema.py.

A checksum proves that a line is as it was written, not that its writer meant well: these tables let readers rely on
what a record says. Fields that no table has may come from a newer program and are no error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cells import APART, SHARED
from benchmarks.errors import SchemaError
from benchmarks.schema import BY_NAME, Column, checked
from benchmarks.values import Check, at_least_zero, fits, listed, mapping, number, optional, positive, text

DEEPEST = 6  # objects and lists inside of each other; ours have 3
DIGITS = 10
LARGEST_STEP = 10**9  # of a proof


def valid(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of a kind other than row says; SchemaError for an unknown kind and for what is not valid.

    Fields that are null are left out, and unknown ones that nest too deep or hold what is no number. Half of a
    surrogate pair, which no file can be written with, is written out.
    """
    if kind not in LINES:
        raise SchemaError(f"unknown kind {kind[:40]!r}")
    known = checked(LINES[kind], record, kind)
    others = {name: value for name, value in record.items() if name not in known and told(value)}
    said: dict[str, Any] = legible({name: value for name, value in (known | others).items() if value is not None})
    return said


def told(value: Any, deepest: int = DEEPEST) -> bool:
    """Return whether a JSON value is what people can be shown: not nested too deep, every number finite."""
    match value:
        case None | str() | bool():
            return True
        case int() | float():
            return fits("int" if isinstance(value, int) else "float", value)
        case list() if deepest:
            return all(told(item, deepest - 1) for item in value)
        case dict() if deepest:
            return all(told(item, deepest - 1) for item in value.values())
    return False


def legible(value: Any) -> Any:
    """Return a JSON value whose texts and names can be written as UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [legible(item) for item in value]
        case dict():
            return {legible(name): legible(item) for name, item in value.items()}
    return value


def shaped(columns: Sequence[Column]) -> Check:
    """Return a check for objects that are as a table says, and told() besides."""

    def check(found: Any) -> bool:
        try:
            return isinstance(found, dict) and bool(checked(columns, found, "part")) and told(found)
        except SchemaError:
            return False

    return check


def pairs(found: Any) -> bool:
    """Return whether every list has two numbers above zero."""
    return all(len(pair) == 2 and min(pair) > 0 for pair in found)


def counts(found: Any) -> bool:
    """Return whether there is a number of images for each digit."""
    return len(found) == DIGITS and all(0 <= count < 2**31 for count in found)


def by_step(found: Any) -> bool:
    """Return whether the names of an object are steps and its values deviations."""
    return all(is_step(name) and fits("float", value) and value >= 0 for name, value in found.items())


def is_step(name: str) -> bool:
    """Return whether a text is a number of steps."""
    return name.isascii() and name.isdigit() and len(name) < 12 and 0 < int(name) <= LARGEST_STEP


ENVIRONMENT = (
    Column("lock", "str", "", "hash of the pinned requirements"),
    Column("versions", "object", "", "version by package", check=mapping(text)),
    Column("numeric_libraries", "strings", "", "shared libraries that compute"),
    Column("denormals", "str", "", "kept or flushed"),
)
CEILING = (
    Column("device", "str", "", "cpu or gpu", True),
    Column("dtype", "str", "", "type of the operands", True),
    Column("threads", "int", "", "CPU threads", True, positive),
    Column("peak_flops_per_s", "float", "FLOP/s", "of products of matrices", check=positive),
    Column("bandwidths", "floatss", "bytes/s", "pairs of a working set in bytes and its speed", check=pairs),
)
VERDICT = (
    Column("steps", "int", "steps", "steps of the float64 run"),
    Column("float64_deviation", "float", "", "largest of a float64 loss"),
    Column("by_step", "object", "", "the same up to a step", check=by_step),
    Column("deviations", "object", "", "of single steps, by kind", check=mapping(optional(number))),
    Column("oracle_sha256", "str", "", "hash of the oracle's losses"),
)
ENGINE = (Column("name", "str", "", "what spreads a sweep over machines", True),)
CELL = tuple(BY_NAME[name] for name in SHARED)
LINES: dict[str, tuple[Column, ...]] = {
    "run": (
        Column("sweep", "str", "", "the sweep's name"),
        Column("machine", "object", "", "facts about the machine", check=told),
        Column("machine_kind", "str", "", "hash that machines of one kind share"),
        Column("code", "str", "", "hash of the code that measured"),
        Column("commit", "str", "", "git commit of the checkout"),
        Column("python", "str", "", "version of the harness's Python"),
        Column("frameworks", "object", "", "environments by name", check=mapping(shaped(ENVIRONMENT))),
        Column("data", "object", "", "SHA-256 by data set", check=mapping(text)),
        Column("ceilings", "objects", "", "peak and bandwidths", check=listed(shaped(CEILING))),
        Column("worker_variables", "object", "", "what workers were given", check=mapping(text)),
        Column("openblas_coretype", "str", "", "kernels that OpenBLAS was told to use"),
        Column("preset", "object", "", "how much was measured", check=told),
        Column("seed", "int", "", "the first seed"),
        Column("resumes", "strings", "", "sweeps that this one went on with"),
        Column("requested", "object", "", "cells and launches that were asked for", check=told),
        Column("part_of", "str", "", "the sweep over several machines that a member's own belongs to"),
        Column("engine", "object", "", "what spread it over machines, and over which", check=shaped(ENGINE)),
    ),
    "end": (
        Column("wall_s", "object", "s", "where the time went", check=mapping(number)),
    ),
    "stop": (
        *CELL,
        Column("rounds", "int", "", "rounds that were measured", True, at_least_zero),
        Column("reason", "str", "", "why no more", True),
        Column("half_width", "float", "", "of the widest ratio's interval", check=at_least_zero),
    ),
    "proof": (
        *CELL,
        *(BY_NAME[name] for name in APART),
        BY_NAME["lockstep"],
        Column("reason", "str", "", "why it is no pass"),
        Column("verdict", "object", "", "the gate's whole answer", check=shaped(VERDICT)),
    ),
    "dataset": (
        Column("name", "str", "", "data set", True),
        Column("sha256", "str", "", "of its arrays", True),
        Column("train_counts", "ints", "images", "to train on, by digit", True, counts),
        Column("test_counts", "ints", "images", "to test on, by digit", True, counts),
        Column("height", "int", "pixels", "of an image", True, positive),
        Column("width", "int", "pixels", "of an image", True, positive),
        Column("samples", "strings", "", "an image of each digit that there is, base64"),
    ),
    "image": (
        Column("dataset", "str", "", "data set", True),
        Column("sha256", "str", "", "of its arrays"),
        Column("index", "int", "", "place among the test images", True, at_least_zero),
        Column("label", "int", "", "the right digit", True, lambda value: 0 <= value < DIGITS),
        Column("pixels", "str", "", "base64", True),
    ),
}  # fmt: skip
