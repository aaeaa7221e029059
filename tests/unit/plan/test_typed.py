from dataclasses import replace

import pytest

import adapters.recipes
from adapters.recipes import LENET, MODELS, RECIPES
from adapters.registry import FRAMEWORKS
from benchmarks.cli.display import _precision_words
from benchmarks.errors import UsageError, count, threads
from benchmarks.launch import probe
from benchmarks.machine.hardware import chosen
from benchmarks.plan import typed
from benchmarks.plan.typed import chosen_recipes

NAMES = ", ".join(FRAMEWORKS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nonexistent", f"unknown framework 'nonexistent'; known: {NAMES}"),
        ("TORCH", f"unknown framework 'TORCH'; did you mean torch? Known: {NAMES}"),
        ("numpi", f"unknown framework 'numpi'; did you mean numpy? Known: {NAMES}"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_what_was_meant(given, words):
    with pytest.raises(UsageError) as caught:
        probe.chosen_frameworks([given], ["cpu"])
    assert str(caught.value) == words


@pytest.mark.parametrize("given", [[""], [" ", ","]])
def test_an_option_that_is_there_and_empty_does_not_mean_everything(given):
    for read, what in (
        (lambda: probe.chosen_frameworks(given, ["cpu"]), "framework"),
        (lambda: typed.chosen_recipes(given, None), "model"),
        (lambda: typed.chosen_recipes(None, given), "recipe"),
        (lambda: typed.chosen_modes(given), "mode"),
        (lambda: typed.numbers(given, [1], "--threads", 4), "--threads"),
        (lambda: chosen(given), "device"),
    ):
        with pytest.raises(UsageError, match=f"an empty {what} was given"):
            read()


def test_what_is_left_out_is_the_default_and_a_last_comma_is_nothing():
    assert typed.chosen_modes(None) == [None]
    assert typed.chosen_modes(["eager,"]) == ["eager"]


def test_one_is_not_many():
    assert [count(n, "launch", "launches") for n in (0, 1, 2000)] == ["0 launches", "1 launch", "2,000 launches"]
    assert [threads(n) for n in (1, 2, None)] == ["1 thread", "2 threads", "None threads"]


def test_a_ratio_that_may_be_twice_as_much_is_not_known():
    assert _precision_words(1.669) == "ratios not known yet"
    assert _precision_words(0.0123) == "ratios known to 1.2 %"


def test_a_model_without_a_recipe_is_told_to_get_one(monkeypatch):
    monkeypatch.setattr(adapters.recipes, "MINE", replace(LENET, name="mine"), raising=False)
    with pytest.raises(
        UsageError, match=r"^model 'mine' has no recipe: add Recipe\('mine', \.\.\.\), .* to _RECIPES in"
    ):
        chosen_recipes(["mlp,mine"], None)
    recipe = replace(RECIPES["lenet"], name="mine_fast", model=adapters.recipes.MINE)
    monkeypatch.setitem(RECIPES, "mine_fast", recipe)
    monkeypatch.setitem(MODELS, "mine", recipe.model)
    assert chosen_recipes(["mlp", "mine"], None) == ["mlp", "mine_fast"]
    assert chosen_recipes(["lenet"], None) == ["lenet"]
