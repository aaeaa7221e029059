"""Tests that every adapter must pass, run in its framework's environment: pytest tests/frameworks --framework NAME.

A folder of a framework's name has what is asked of that one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import Adapter, Array
from adapters.declaration import Recipe
from adapters.recipes import MODERN
from adapters.registry import FRAMEWORKS, WRAPPERS, environment_of, load
from adapters.weights import initial_weights

HERE = Path(__file__).parent
BATCH = 20  # wherever another size shows nothing more: torch compiles C++ for each shape, some ten seconds
Batches = tuple[Array, Array]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--framework", required=True, choices=[*FRAMEWORKS, *WRAPPERS], help="whose adapter is tested")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    framework = config.getoption("--framework")
    if framework in WRAPPERS:
        return True if collection_path.name.startswith("test_") and collection_path.name != "test_wrappers.py" else None
    other = collection_path.parent == HERE and collection_path.name in FRAMEWORKS and collection_path.name != framework
    unwrapped = collection_path.name == "test_wrappers.py" and framework not in map(environment_of, WRAPPERS)
    no_example = collection_path.name == "test_examples.py" and not (HERE / f"examples/{framework}.py").exists()
    return True if other or unwrapped or no_example else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # what the frameworks warn of is theirs to mend; errors stay errors for our own packages
        item.add_marker(pytest.mark.filterwarnings("default"))


def long_of_today(name: str) -> Any:
    """Return a recipe as a parameter; networks of today take minutes, and test_modern.py has all their layers."""
    return pytest.param(name, marks=pytest.mark.soak) if name in (*MODERN, "mobile") else name


@pytest.fixture(scope="session")
def adapter_class(request: pytest.FixtureRequest) -> type[Adapter]:
    """The adapter under test; a framework that does not import here is an error, never a skip."""
    found = load(FRAMEWORKS[request.config.getoption("--framework")].adapter)
    found.set_threads(2)
    return found


@pytest.fixture(scope="session")
def oracle_class() -> type[Adapter]:
    return load(FRAMEWORKS["numpy"].adapter)


def precise(cls: type[Adapter], mode: str = "eager") -> str:
    """Return the dtype in which differences of arithmetic show best: float32 where there is no float64."""
    return "float32" if cls.unsupported("cpu", mode, "float64") else "float64"


@pytest.fixture(scope="session")
def digits() -> Callable[..., Batches]:
    """Batches that can be learnt: each digit is a fixed random picture, dimmed and noisy. Pixels 0..1."""

    def make(steps: int, batch_size: int, dtype: str, seed: int = 0) -> Batches:
        generator = np.random.default_rng(seed)
        pictures = np.random.default_rng(99).random((10, 1, 28, 28)) > 0.8
        labels = generator.integers(0, 10, (steps, batch_size))
        noise = generator.random((steps, batch_size, 1, 28, 28))
        return (pictures[labels] * (0.5 + 0.5 * noise) + 0.1 * noise).clip(0, 1).astype(dtype), labels

    return make


@pytest.fixture(scope="session")
def made() -> Callable[..., Adapter]:
    """Build an adapter with the recipe's initial weights, by default in the precise dtype."""

    def make(cls: type[Adapter], recipe: Recipe, mode: str = "eager", dtype: str = "") -> Adapter:
        adapter = cls(recipe, "cpu", mode, dtype or precise(cls, mode))
        adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 1))
        return adapter

    return make
