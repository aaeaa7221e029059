"""A declared model as the files beside this one take it: plain JSON values, which another process can be handed."""

from __future__ import annotations

import dataclasses
from typing import Any

from adapters.declaration import WEIGHTED, Conv2D, Model


def layers(model: Model) -> list[dict[str, Any]]:
    """Return each layer's type, settings, `input_shape`, and a `name` that agrees with those of its parameters."""
    found, counts = [], {"conv": 0, "dense": 0}
    for index, (layer, shape) in enumerate(zip(model.layers, model.shapes(), strict=False)):
        name = f"{type(layer).__name__.lower()}{index}"
        if isinstance(layer, WEIGHTED):
            kind = "conv" if isinstance(layer, Conv2D) else "dense"
            counts[kind] += 1
            name = f"{kind}{counts[kind]}"
        settings = dataclasses.asdict(layer)
        found.append({"type": type(layer).__name__, **settings, "name": name, "input_shape": list(shape)})
    return found
