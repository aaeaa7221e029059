"""Writes a framework's own files or loads them, in a process of its own: `python -I standalone.py`, request on stdin.

The files are what a framework's own users expect of a trained network: a network of its ordinary layers. Isolated
(-I) Python has neither this folder nor the project on its path, so what loads in this process loads anywhere, and no
native.py can import the adapters. Each native.py has FORMATS, `write(layers, weights, folder, name)` and
`load(form, layers, folder, name)`, which returns a function from images (N, C, H, W) to outputs (N, outputs). `layers`
are those of the declaration as JSON, each with its `name` and `input_shape`; weights are float32, by name, in the
canonical layout. Everything is written on the CPU, so that it loads where there is no other device.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def _module(path: str) -> ModuleType:
    """Return one of the files beside this one; by its path, since it is called like the framework that it imports."""
    spec = importlib.util.spec_from_file_location("native", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _perform(request: dict[str, Any]) -> None:
    """Write from `weights` (.npz), or load what was written and write each format's outputs on `images` (.npy)."""
    native, folder = _module(request["module"]), Path(request["folder"])
    if "weights" in request:
        with np.load(request["weights"], allow_pickle=False) as archive:
            weights = {name: archive[name] for name in archive.files}
        native.write(request["layers"], weights, folder, request["name"])
        return
    images = np.load(request["images"], allow_pickle=False)
    for form in native.FORMATS:
        network = native.load(form, request["layers"], folder, request["name"])
        np.save(Path(request["outputs"]) / f"{form}.npy", network(images))


if __name__ == "__main__":
    _perform(json.load(sys.stdin))
