"""The JSON list of configurations that `run --confirm` reads, and deep nests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.errors import UsageError
from benchmarks.plan.cells import Cell
from benchmarks.plan.suspects import suspected

ERRORS = UsageError
TOKENS = (b"1e999", b"NaN", b"[[[[", b"]]", b"{", b"}", b'"framework"', b'"revision"', b'"threads"', b"\\u202e")
PLAN = [Cell(name, "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1) for name in ("torch", "jax@0.7.2")]


def seeds() -> Iterator[bytes]:
    text = json.dumps([dataclasses.asdict(cell) for cell in PLAN], indent=1).encode()
    yield from (text, b"[]", b"[" * 5000 + b"]" * 5000, b'[{"framework": "torch"}]')


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    found = suspected(path, PLAN)
    assert found
    assert set(found) <= set(PLAN)
