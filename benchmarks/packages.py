"""Packages that a Python which tox did not make may lack: imported where they are used, and absent they are one line.

A machine that is lent for its card may have PyTorch, pandas and typer, and no package index: what needs no other
package has to run there.
"""

from __future__ import annotations

import importlib

from benchmarks.errors import EnvironmentMissing

DISTRIBUTIONS = {"pynvml": "nvidia-ml-py"}  # where the package index has another name than the import


def require(use: str, *modules: str, instead: str = "make the harness's own environment: tox -e bench") -> None:
    """Raise EnvironmentMissing where a module, or what it imports, is not there; `instead` is what else can be done."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            lacking = (error.name or name).partition(".")[0]
            package = DISTRIBUTIONS.get(lacking, lacking)
            raise EnvironmentMissing(
                f"{use} needs the package {package}, which this Python lacks: pip install {package}, or {instead}"
            ) from error


def has(module: str) -> bool:
    """Return whether a module can be imported."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    return True
