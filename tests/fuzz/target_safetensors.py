"""Weights files: the declared parameters of a small network, others, and headers that lie about sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from adapters.declaration import Initialiser
from adapters.recipes import MODELS
from adapters.weights import initial_weights
from benchmarks.errors import DataError
from benchmarks.models import checkpoint

ERRORS = DataError
TOKENS = (b'"BF16"', b'"F64"', b'"dtype"', b'"shape"', b'"data_offsets"', b"[0,0]", b"9" * 19, b"\xff" * 8)
MODEL = MODELS["linear"]
SPARED_BYTES = 4096  # of the file's end: the fuzzer is to work on the header, not on 7,840 weights


def whole() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        checkpoint.write_weights(path, initial_weights(MODEL, Initialiser(), 0), about="seed")
        return path.read_bytes()


WHOLE = whole()


def seeds() -> Iterator[bytes]:
    yield WHOLE[:SPARED_BYTES]
    yield save({"a": np.zeros((2, 3), np.float16), "b": np.ones(3, np.int64)})
    yield (2**60).to_bytes(8, "little") + b"{}"


def content(data: bytes) -> bytes:
    return data + WHOLE[len(data) :]


def parse(path: Path) -> None:
    weights = checkpoint.read_weights(path, MODEL)
    assert {name: array.shape for name, array in weights.items()} == {p.name: p.shape for p in MODEL.parameters()}
