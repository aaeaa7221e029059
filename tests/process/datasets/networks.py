"""`python -m tests.process.datasets.networks ...` is `python -m benchmarks ...` with three small networks declared.

They read images of other sizes than MNIST's. A worker declares them when it loads its adapter from here.
"""

from __future__ import annotations

from adapters.declaration import SGD, Activation, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe
from adapters.recipes import MODELS, RECIPES
from tests.process.faults.fake import Fake

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
RECIPES.update({recipe.name: recipe for recipe in OWN})
MODELS.update({recipe.model.name: recipe.model for recipe in OWN})


class Networks(Fake):
    """The adapter of NumPy, in a process that knows these networks."""


def main() -> None:
    """Run the command line with the framework `fake-fake` of the faults' harness, from here."""
    from adapters.registry import FRAMEWORKS, Framework
    from benchmarks.__main__ import main as run
    from tests.process.faults.harness import register

    register()
    FRAMEWORKS["fake-fake"] = Framework("tests.process.datasets.networks:Networks")
    run()


if __name__ == "__main__":
    main()
