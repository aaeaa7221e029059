"""Which of our files a program loads, found from its import statements: what a hash of code covers.

A list by hand forgets a file, or names one that has moved; the hash of a whole folder changes with every word of a
table. So only the program's first module is named, and imports are followed from there.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("adapters", "benchmarks", "report")
# A string that is a module's whole name loads it as well: the registry's "module:Class", what runpy is to run.
NAMED = re.compile(rf"((?:{'|'.join(OURS)})(?:\.\w+)+)(:\w+)?")
# Python 3.11 before 3.11.8 ends with a SystemError where two threads parse: github.com/python/cpython/issues/106905
_PARSER = threading.Lock()


@functools.cache
def code_hash(*entries: str, folders: tuple[Path, ...] = (ROOT,), packages: bool = True) -> str:
    """Return 16 hex digits of a SHA-256 over dotted names and contents of all modules that modules() finds."""
    total = hashlib.sha256()
    for name, path in sorted(_modules(*entries, folders=folders, packages=packages).items()):
        total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _modules(*entries: str, folders: tuple[Path, ...] = (ROOT,), packages: bool = True) -> Mapping[str, Path]:
    """Return, by dotted name, the files of ours that are loaded where these modules are imported or run.

    Packages on the way count, imports in functions too. Without `packages` only those count that an import names: what
    else a package offers, its other users read. `folders` are looked through in order, as Python does: the first that
    has a package has all of it. ModuleNotFoundError where an entry is not there.
    """
    found: dict[str, Path] = {}
    wanted = [name for entry in entries for name in (entry, f"{entry}.__main__")]
    while wanted:
        name = wanted.pop()
        if name not in found and (path := _file(name, folders)):
            found[name] = path
            wanted += [*([name.rpartition(".")[0]] if packages else []), *_imported(name, path)]
    if not entries or (missing := [entry for entry in entries if entry not in found]):
        raise ModuleNotFoundError(f"no module {', '.join(missing) if entries else 'named'} to hash the code of")
    return found


def _file(name: str, folders: tuple[Path, ...]) -> Path | None:
    """Return the file that importing a dotted name loads; None where it is not ours, or no module."""
    top = name.partition(".")[0]
    folder = next((folder for folder in folders if top in OURS and (folder / top).is_dir()), None)
    if folder is None:
        return None
    stem = folder.joinpath(*name.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


@functools.cache
def _imported(name: str, path: Path) -> tuple[str, ...]:
    """Return what a module may import: of `from a import b` both a and a.b, which need not be modules."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return tuple(_names(parsed(path.read_bytes()), package))


def parsed(source: bytes) -> ast.Module:
    """Return what a module's source means to Python; SyntaxError and ValueError as ast.parse raises them."""
    with _PARSER:
        return ast.parse(source)


def _names(tree: ast.Module, package: list[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, level):
                above = package[: len(package) + 1 - level] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield from (base, *(f"{base}.{alias.name}" for alias in names))
            case ast.Constant(str(text)) if match := NAMED.fullmatch(text):
                yield from (match[1],) if match[2] else (match[1], f"{match[1]}.__main__")
