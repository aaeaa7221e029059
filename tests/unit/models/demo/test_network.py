"""Which network is shown, and what is said of it."""

from __future__ import annotations

import pytest

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import DataError, UsageError
from benchmarks.models.demo import facts, network
from tests.checkpoints import write_checkpoint


def keep(folder, name="lenet", card=None):
    recipe = RECIPES[name]
    write_checkpoint(folder, recipe, initial_weights(recipe.model, recipe.initialiser, 0), card or {})


def test_the_cards_facts_are_told_as_far_as_there_are_any(tmp_path):
    keep(tmp_path / "bare")
    assert facts(network(tmp_path / "bare", ["numpy"], True, print)) == ["lenet", "431,080 parameters"]
    card = {"dataset": {"name": "mnist"}, "training": {"framework": "jax"}, "scores": {"accuracy": 0.9871}}
    keep(tmp_path / "full", card=card)
    found = facts(network(tmp_path / "full", ["numpy"], True, print))
    assert found[2:] == ["trained on mnist in jax", "98.7 % of its test images right"]


def test_a_network_that_tells_no_ten_digits_apart_is_refused(tmp_path):
    keep(tmp_path / "linear", "linear")
    with pytest.raises(UsageError, match="shows 10 probabilities; linear reads 1x28x28 and has 1 output"):
        network(tmp_path / "linear", ["numpy"], True, print)


def test_a_folder_that_is_named_must_be_one(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        network(tmp_path / "absent", ["numpy"], True, print)
