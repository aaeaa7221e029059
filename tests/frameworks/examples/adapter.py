"""An adapter around an example of docs/examples: the gate then judges the example's own network and training step."""

from __future__ import annotations

import importlib.util
from abc import abstractmethod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from adapters.contract import Adapter, Array, Preloaded
from adapters.recipes import RECIPES
from adapters.weights import Weights

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
RECIPE = RECIPES["lenet"]


def load(name: str) -> ModuleType:
    """Return a module of docs/examples, which is no package, anew."""
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class ExampleAdapter(Adapter):
    """What is alike for all six; a subclass says where the framework keeps its weights, and how they lie there."""

    def build(self) -> None:
        if self.recipe.model != RECIPE.model:  # the gate, when it looks for the layer that parts
            raise AssertionError("the outputs of the example part; it cannot be cut after a layer to say which one's")
        self.example = load(f"lenet_{self.framework}")
        # As the declaration has it, which rounds each scalar once: to 0.1 in float64 losses part by 1e-8.
        self.example.RATE = float(np.float32(self.example.RATE))
        self.start()

    @abstractmethod
    def start(self) -> None:
        """Make the example's network, of self.dtype, and its optimiser."""

    def put(self, images: Array, labels: Array) -> Preloaded:
        placed = [[self.place(batch) for batch in part] for part in (images, labels)]
        return Preloaded(*placed, len(labels))

    def place(self, batch: Array) -> Any:
        """Return images or labels of a batch as the example's training step takes them."""
        return batch

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        """Return the gradients that a step of the example's own leaves behind."""
        before = self.get_weights()
        self.step(preloaded.images[index], preloaded.labels[index])
        found = self.named(self.slopes())
        self.set_weights(before)
        return found

    def slopes(self) -> list[Array]:
        """Return the gradients of the last step, canonical; an example that leaves none there overrides gradients."""
        raise NotImplementedError
