"""Three small networks for images of other sizes than MNIST's, and their files."""

from __future__ import annotations

from pathlib import Path

import tomli_w

from adapters import networks
from adapters.declaration import SGD, Activation, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe

RELU = Activation("relu")
OWN = (
    Recipe("small", Model("small", (Flatten(), Dense(32), RELU, Dense(10)), (1, 8, 8)), SGD(0.1), batch_size=50),
    Recipe("faces", Model("faces", (Flatten(), Dense(40)), (1, 64, 64)), SGD(0.05), batch_size=20),
    Recipe(
        "photos",
        Model("photos", (Conv2D(6, 5), RELU, MaxPool2D(2, 2), Flatten(), Dense(4)), (3, 32, 32)),
        SGD(0.01, 0.9),
        batch_size=20,
    ),
)


def file(folder: Path, name: str) -> str:
    """Write one of these as a user's file; return its path."""
    [recipe] = (recipe for recipe in OWN if recipe.name == name)
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(networks.declared(recipe)))
    return str(path)
