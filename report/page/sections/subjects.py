"""What was trained on what: the data with its class balance and sample images, the networks layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.declaration import Cosine, Exponential, Recipe
from adapters.flops import describe
from adapters.recipes import RECIPES
from report.page import columns, words
from report.page.charts import uri
from report.page.inputs import Inputs, Record
from report.page.parts import Cell, Chart, Charts, Column, Digit, Digits, Flow, Group, Line, Part, Section, Table, Words

MOST_COUNTED = 20  # classes with a column each


def _amount(text: str, name: str | int) -> Column:
    """Return a column of how many of something a record has."""
    return Column(text, "", True, lambda record: Cell(f"{record[name]:,}"))


LAYERS = (
    Column("layer", cell=lambda layer: Cell(_layer_name(layer))),
    Column("weight shape", cell=lambda layer: Cell(_by(layer["weight_shape"] or []) or words.NONE)),
    _amount("parameters", "parameters"),
    Column("output shape", cell=lambda layer: Cell(_by(layer["output_shape"]))),
    _amount("forward FLOP", "forward_flops"),
    _amount("training FLOP", "training_flops"),
)


def section(inputs: Inputs) -> Section:
    """Return the section on the data and the networks."""
    parts: list[Part] = []
    datasets = {(found["name"], found["sha256"]): found for found in inputs.records("datasets")}
    for key in sorted(datasets):
        parts += _data(datasets[key])
    if not datasets:
        named = words.listed(words.short(name, 40) for name in sorted(set(inputs.frame["dataset"])))
        parts.append(Words([f"Data: {named}. These results hold neither class counts nor samples of it."]))
    names = sorted(set(inputs.frame["recipe"]))
    for name in names:
        if name in RECIPES:
            parts += _network(RECIPES[name])
    if unknown := [words.short(name, 40) for name in names if name not in RECIPES]:
        parts.append(Words([f"This version does not know the recipes {words.listed(unknown)}."]))
    return Section("subjects", "The data and the networks", parts)


def _data(dataset: Record) -> Iterator[Part]:
    """Yield a data set's class balance and one sample of each class."""
    classes, what = min(len(dataset["train_counts"]), len(dataset["test_counts"])), _class_word(dataset)
    train, test = dataset["train_counts"][:classes], dataset["test_counts"][:classes]
    title = f"{words.short(dataset['name'], 60)}: {sum(train):,} images to train on, {sum(test):,} to test on"
    summary = f"Of each {what} {min(train):,} to {max(train):,} to train on, {min(test):,} to {max(test):,} to test on."
    records = [
        {"class": label, "set": name, "images": images, "hint": f"{name}, {what} {label}: {images:,} images"}
        for name, counts in (("training", train), ("test", test)) for label, images in enumerate(counts)
    ]  # fmt: skip
    yield Charts([Chart("classes", records, title, summary)])
    if len(train) <= MOST_COUNTED:
        yield _counted(train, test, what)
    names, samples = dataset.get("class_names", []), dataset.get("samples", [])
    present = [label for label, images in enumerate(train) if images]  # a class without images has no sample
    found = [(label, uri(sample, dataset)) for label, sample in zip(present, samples, strict=False)]
    if shown := [
        Digit(uri, words.short(names[label]) if label < len(names) else f"{label}") for label, uri in found if uri
    ]:
        yield Digits(f"One training image of each {what}", shown)


def _class_word(dataset: Record) -> str:
    """Return what a class is called: a digit where ten have no names of their own."""
    return "digit" if len(dataset["train_counts"]) == 10 and not dataset.get("class_names") else "class"


def _counted(train: list[int], test: list[int], what: str) -> Table:
    """Return the class balance as numbers."""
    digits = [columns.label("images"), *(_amount(str(n), n) for n in range(len(train)))]
    records = [{"images": name, **dict(enumerate(counts))} for name, counts in (("training", train), ("test", test))]
    return columns.folded(f"Images by {what}", digits, records)


def _network(recipe: Recipe) -> Iterator[Part]:
    """Yield a recipe's network as a chain of boxes and as a table, one sample's FLOPs."""
    described = describe(recipe, 1)
    boxes = [("input", _by(described["input_shape"]), "")]
    boxes += [
        (_layer_name(layer), _by(layer["output_shape"]), _parameters(layer["parameters"]))
        for layer in described["layers"]
    ]
    only = {"model": recipe.model.name}
    optimiser = f"{type(recipe.optimiser).__name__} at {recipe.optimiser.rate:.3g}"
    match recipe.schedule:
        case Exponential(factor) if factor != 1:
            optimiser += f", times {factor:.3g} after each epoch"
        case Cosine(epochs, warmup):
            optimiser += f", as a cosine over {epochs} epochs" + (f" after {warmup} of warm-up" if warmup else "")
    trained = f"{recipe.loss.replace('_', ' ')}, {optimiser}, batch {recipe.batch_size}, {recipe.epochs} epochs"
    title = f"{recipe.name}: {described['parameters']:,} parameters; {trained}; {recipe.source}"
    yield Flow(title, boxes, only)
    lines = columns.grouped(LAYERS, [layer | only for layer in described["layers"]]).lines
    totals = [f"{described[name]:,}" for name in ("forward_flops", "training_flops")]
    whole_line = (Cell("all"), Cell(), Cell(f"{described['parameters']:,}"), Cell(), *map(Cell, totals))
    caption = f"{recipe.name}, layer by layer, for one sample"
    yield Table(caption, LAYERS, [Group([*lines, Line(whole_line, only)])], folded=True, style="fixed")


def _by(shape: list[int]) -> str:
    """Return a shape as `20 × 24 × 24`."""
    return " × ".join(map(str, shape))


def _layer_name(layer: dict[str, Any]) -> str:
    """Return a layer's kind with its settings, those that are not the usual ones; within a Residual with its place."""
    settings, within = layer["settings"], f"{layer['at']} " if "." in layer["at"] else ""
    match layer["layer"]:
        case "Conv2D":
            padding = f", padding {settings['padding']}" if settings["padding"] else ""
            return f"{within}Conv {settings['kernel']} × {settings['kernel']}{padding}"
        case "MaxPool2D" | "AvgPool2D":
            return f"{within}{layer['layer'][:3]} pool {settings['size']} × {settings['size']}"
        case "Activation":
            return f"{within}{settings['function']}"
        case kind:
            return f"{within}{kind}"


def _parameters(amount: int) -> str:
    """Return how many parameters a layer has, nothing where it has none."""
    return f"{amount:,} parameters" if amount else ""
