"""Does a network fit a data set? Its input must have the images' shape, its outputs be enough for the classes."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.declaration import Recipe
from adapters.recipes import RECIPES
from benchmarks.errors import UsageError, shown
from benchmarks.plan.data import size
from benchmarks.plan.data.prepared import Prepared


def misfit(recipe: Recipe, data: Prepared) -> str:
    """Return why a recipe cannot be trained on a data set and what helps, empty where it can.

    More outputs than classes do no harm: the others learn to be small. A network that is trained on the square of its
    error gives the label itself, whatever the number of classes.
    """
    model, shape, name = recipe.model, tuple(data.image_shape), shown(data.name)
    if tuple(model.input_shape) != shape:
        return (
            f"model {model.name!r} reads {size(model.input_shape)} images, data set {name!r} has {size(shape)}:"
            f" declare input_shape = {list(shape)}"
        )
    if recipe.loss != "mean_squared_error" and model.outputs < data.classes:
        outputs = f"{model.outputs} output{'s' * (model.outputs != 1)}"
        return (
            f"model {model.name!r} has {outputs}, data set {name!r} has {data.classes} classes (labels"
            f" 0-{data.classes - 1}): declare a last layer of {data.classes} units"
        )
    return ""


def misfits(recipes: Iterable[str], sets: Iterable[Prepared]) -> str:
    """Return the first misfit of some recipes, by name, with some data sets; empty where each fits all."""
    known = [*sets]
    return next((why for name in recipes for data in known if (why := misfit(RECIPES[name], data))), "")


def check(recipes: Iterable[str], sets: Iterable[Prepared]) -> None:
    """Raise UsageError, one line, where one of these recipes does not fit one of these data sets."""
    if why := misfits(recipes, sets):
        raise UsageError(why)
