"""The network that the demo trains where none is named: numpy's environment is probed in a process."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import EnvironmentMissing
from benchmarks.models import checkpoint, demo, train
from benchmarks.models.demo import _cached_network


def test_what_was_trained_before_is_taken_and_what_is_damaged_is_trained_again(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    trained = []

    def save(part, cell, *_):
        trained.append(cell.framework)
        recipe = RECIPES[cell.recipe]
        checkpoint.fill(part, recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})

    monkeypatch.setattr(train, "save", save)
    said = []
    place = _cached_network(["numpy"], True, said.append).folder
    assert place.is_relative_to(tmp_path)
    assert "training lenet on mnist-5k in numpy" in said[0]
    assert _cached_network(["numpy"], True, said.append).folder == place
    assert trained == ["numpy"]
    (place / checkpoint.CARD).write_text("{")
    _cached_network(["numpy"], True, said.append)
    assert trained == ["numpy", "numpy"]


def test_a_framework_that_no_list_of_ours_names_trains_it(tmp_path, monkeypatch):
    """An adapter that somebody adds is in no list of the quickest."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.setattr(
        demo, "probe", lambda framework, _: SimpleNamespace(problem=f"{framework} on cpu: no environment")
    )
    said = []
    with pytest.raises(EnvironmentMissing, match="new on cpu: no environment"):
        demo.network(None, ["new", "newer"], True, said.append)
    assert said == ["no --weights: training lenet on mnist-5k in new first; it is kept"]
