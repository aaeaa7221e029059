"""TOML files of networks: ours, and the declaration's own limits, which bound what is computed from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.declaration import DeclarationError
from adapters.networks import FOLDER, MAX_PARAMETERS, declared, parsed, recipe_of

ERRORS = DeclarationError
TOKENS = (
    *(b"[[[[", b"]]", b"{", b"}", b"=", b'"""', b"'''", b"1e999", b"nan", b"0x", b"a.a.a.a", b"1979-05-27T07:32:00Z"),
    *(b"Residual", b"branch", b"shortcut", b"SelfAttention", b"LSTM", b"Patches", b"padding", b"1048576", b"[recipe]"),
)


def seeds() -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted(FOLDER.glob("*.toml")))
    yield b"a" + b".a" * 5000 + b" = 1"
    yield b"[" * 5000


def content(data: bytes) -> bytes:
    return data


def parse(path: Path) -> None:
    recipe = parsed(path.read_bytes(), "x.toml")
    assert recipe.model.parameter_count <= MAX_PARAMETERS
    assert recipe_of(declared(recipe)) == recipe
