"""What each framework learns: accuracy and loss by epoch and by second, the learning rate where it changes.

And what it does not: which digit is taken for which, and the images that most frameworks get wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adapters.recipes import RECIPES
from benchmarks.errors import count, plain
from report.page import columns, words
from report.page.drawing import BLACK, Drawing, look, uri
from report.page.inputs import Inputs, Record, alike
from report.page.parts import (
    Cell,
    Column,
    Digit,
    Digits,
    Facets,
    Grid,
    Group,
    Line,
    Part,
    Picture,
    Pictures,
    Section,
    Table,
    Words,
    facets,
)
from report.tables.compare import COMPARISON

MEASURES = {  # name: (column, axis, caption)
    "accuracy": ("accuracy_by_epoch", "test accuracy, %", "Accuracy"),
    "loss": ("loss_by_epoch", "test loss", "Loss"),
}
BY_EPOCH = ("accuracy_by_epoch", "loss_by_epoch", "seconds_by_epoch")
LARGEST_DRAWN = 1e30  # of a loss or a second: matplotlib cannot put ticks on an axis up to the largest float
CLASSES = 10
LEVELS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2)  # shares of a digit's images from which a shade begins
CONFUSION, READ_AS, INDICES = "confusion", "mistakes_read_as", "mistakes"
MISSING = "These results hold neither confusions nor mistakes."
Floats = npt.NDArray[np.float64]


def _time_to_target(record: dict[Any, Any]) -> Cell:
    """Return how long training takes to its target, which stands beneath."""
    target = record["accuracy_target"]
    shown = words.number(target, ".1%") if words.known(target) else ""
    return columns.quantity(record["time_to_accuracy_s"], words.seconds, shown)


COLUMNS = (
    columns.FRAMEWORK,
    columns.MODE,
    columns.figure("seeds", "seeds"),
    columns.estimate("accuracy", "accuracy", ".4f", "accuracy_"),
    columns.estimate("difference", "difference", "+z.4f", "difference_"),
    Column("verdict", cell=lambda record: Cell(words.text(record["accuracy_verdict"]))),
    Column("time to target", "target", True, _time_to_target),
    columns.out_of("reached by", "reached", "seeds"),
)


def section(inputs: Inputs) -> Section:
    """Return the section on learning: curves, the table of accuracies, learning rates, confusions and mistakes."""
    pictures = list(_drawn(inputs.learnt, inputs.part))
    parts: list[Part] = []
    trained = inputs.table[inputs.table["seeds"].fillna(0) > 0]
    if not len(trained):
        parts.append(Words(["No launch that trains for accuracy ended ok in these results."]))
    else:
        parts.append(_accuracies(trained))
    if pictures:
        parts.append(Pictures(pictures, style="small"))
    elif len(trained):
        parts.append(Words(["Only one epoch was trained, which makes no curve."]))
    parts += [Pictures(found, style="small")] if (found := list(_rates(inputs.learnt, inputs.part))) else []
    parts += _mistakes(inputs)
    return Section("learning", "What they learn", parts)


def _accuracies(cells: pd.DataFrame) -> Table:
    """Return the accuracy of each cell after its last epoch, its difference to the reference, time to the target."""
    groups = []
    for _, group in cells.groupby(COMPARISON, sort=False):
        reference = words.text(group["difference_to"].iloc[0])
        to = f"; differences to {words.short(reference)}" if reference else ""
        groups.append(
            columns.grouped(COLUMNS, group.sort_values(["framework", "mode"]), words.comparison(group.iloc[0]) + to)
        )
    return Table("Accuracy after the last epoch", COLUMNS, groups, folded=len(groups) > 4)


def _drawn(launches: pd.DataFrame, part: str) -> Iterator[Picture]:
    """Yield for each comparison with at least two epochs: accuracy and loss by epoch, accuracy by second."""
    for number, (_, group) in enumerate(launches.groupby(COMPARISON, sort=False)):
        found = {key: _curves(lines) for key, lines in group.groupby(["framework", "mode"])}
        found = {key: curve for key, curve in found.items() if len(curve) > 1}
        if found:
            for measure in MEASURES:
                yield _picture(f"{part}{measure}{number}", measure, "epoch", group.iloc[0], found)
            yield _picture(f"{part}seconds{number}", "accuracy", "seconds", group.iloc[0], found)


def _curves(launches: pd.DataFrame) -> pd.DataFrame:
    """Return by epoch, from 1: each measure's mean over seeds, its least and its largest, and the mean seconds."""
    lists = [launches[name] for name in BY_EPOCH]
    whole = [all(isinstance(found, list) for found in launch) for launch in zip(*lists, strict=True)]
    found: dict[str, Floats] = {}
    for name in BY_EPOCH if any(whole) else ():
        values = _padded([values for values, complete in zip(launches[name], whole, strict=True) if complete])
        found |= {f"{name}_mean": np.nanmean(values, 0), f"{name}_low": np.nanmin(values, 0)}
        found[f"{name}_high"] = np.nanmax(values, 0)
    epochs = min((len(values) for values in found.values()), default=0)
    return pd.DataFrame({name: values[:epochs] for name, values in found.items()}, index=range(1, epochs + 1))


def _padded(lists: Sequence[Sequence[float]]) -> Floats:
    """Return (seeds, epochs), NaN where a seed stopped earlier than others."""
    values = np.full((len(lists), max(map(len, lists))), np.nan)
    for line, found in zip(values, lists, strict=True):
        line[: len(found)] = found
    return values


def _picture(name: str, measure: str, by: str, first: Any, found: dict[tuple[Any, ...], pd.DataFrame]) -> Picture:
    """Draw one measure of a comparison by epoch or by second: means over seeds, the band from least to largest."""
    column, label, title = MEASURES[measure]
    scale = 100 if measure == "accuracy" else 1
    labelled: set[str] = set()  # several modes of one framework look alike
    with Drawing(name, height=225) as drawing:
        axes = drawing.axes
        for (framework, mode), curve in found.items():
            style, facet = look(framework), facets({"framework": framework, "mode": mode})
            x = curve.index.to_numpy(float) if by == "epoch" else _drawable(curve["seconds_by_epoch_mean"])
            low, mean, high = (scale * _drawable(curve[f"{column}_{end}"]) for end in ("low", "mean", "high"))
            drawing.mark(axes.fill_between(x, low, high, color=style.colour, alpha=0.14, lw=0), "", facet)
            every = max(1, len(x) // 5)
            [line] = axes.plot(
                x, mean, color=style.colour, linestyle=style.line, marker=style.marker, markevery=every,
                markersize=3.5, label="" if framework in labelled else words.short(framework, 14),
            )  # fmt: skip
            labelled.add(framework)
            drawing.mark(line, f"{words.short(framework)}, {words.short(mode)}: {mean[-1]:.4g} at the end", facet)
        if by == "seconds":
            axes.set_xscale("log")
            drawing.decades(axes.xaxis)
        axes.set(xlabel="epoch" if by == "epoch" else "seconds of training and evaluation", ylabel=label)
        drawing.legend()
    caption = f"{title} by {'epoch' if by == 'epoch' else 'second'}: {words.comparison(first, 'threads', 'dtype')}"
    ends = (f"{words.short(key[0])} {curve[f'{column}_mean'].iloc[-1]:.4g}" for key, curve in found.items())
    means = f"Mean over seeds at the end: {', '.join(ends)}."
    return Picture(drawing.svg, caption, means, facets(first, "model", "device", "batch"), _numbers(column, by, found))


def _drawable(values: pd.Series) -> Floats:
    """Return numbers with those beyond LARGEST_DRAWN as NaN: a gap in the curve; the table below has them all."""
    found = values.to_numpy(float)
    return np.where(np.abs(found) <= LARGEST_DRAWN, found, np.nan)


def _numbers(column: str, by: str, found: dict[tuple[Any, ...], pd.DataFrame]) -> Table:
    """Return a picture's curves as numbers: a line a framework and mode, a column an epoch."""
    epochs = sorted({int(epoch) for curve in found.values() for epoch in curve.index})
    records = [{"framework": key[0], "mode": key[1], "curve": curve} for key, curve in found.items()]
    by_epoch = [columns.NAMED, *(_at_epoch(epoch, column, by) for epoch in epochs)]
    return columns.folded("Means over seeds", by_epoch, records)


def _at_epoch(epoch: int, name: str, by: str) -> Column:
    """Return the column of one epoch: the mean that curves have as `name`, and beneath, by second, when it ends."""

    def cell(record: dict[str, Any]) -> Cell:
        curve = record["curve"]
        if epoch not in curve.index:
            return Cell(words.NONE)
        at = words.seconds(curve.loc[epoch, "seconds_by_epoch_mean"]) if by == "seconds" else ""
        return columns.quantity(curve.loc[epoch, f"{name}_mean"], ".4f", at)

    return Column(f"epoch {epoch}", "", True, cell)


def _rates(launches: pd.DataFrame, part: str) -> Iterator[Picture]:
    """Yield the learning rate by epoch of each recipe whose schedule changes it."""
    trained = launches.groupby("recipe", sort=False)["epochs"].max()
    for number, (name, epochs) in enumerate(trained.items()):
        recipe = RECIPES.get(str(name))
        if recipe is None or recipe.schedule.factor == 1 or not words.known(epochs):
            continue
        by_epoch = [recipe.schedule.rate(recipe.optimiser, epoch) for epoch in range(int(epochs))]
        with Drawing(f"{part}rate{number}", height=180) as drawing:
            drawing.axes.step(np.arange(1, len(by_epoch) + 1), by_epoch, where="post", color=BLACK)
            drawing.axes.set(xlabel="epoch", ylabel="learning rate")
        summary = f"From {by_epoch[0]:.3g} to {by_epoch[-1]:.3g}, times {recipe.schedule.factor:.3g} after each epoch."
        yield Picture(drawing.svg, f"Learning rate of {plain(recipe.name)}", summary, {"model": recipe.model.name})


def _mistakes(inputs: Inputs) -> list[Part]:
    """Return confusion matrices and the worst mistakes of the headline's comparisons, or why there are none."""
    launches = inputs.learnt
    if CONFUSION not in launches or not launches[CONFUSION].map(_complete).any():
        return [Words([MISSING])] if len(launches) else []
    found: list[Part] = []
    images = {(image.get("dataset"), image.get("index")): image for image in inputs.records("images")}
    shapes = {d.get("name"): (d.get("height"), d.get("width")) for d in inputs.records("datasets")}
    for _, group in launches[launches[CONFUSION].map(_complete)].groupby(COMPARISON, sort=False):
        if not any(alike(group, cells.iloc[0], COMPARISON).all() for cells in inputs.headline):
            continue
        first, name = group.iloc[0], words.comparison(group.iloc[0], "threads", "dtype", "input")
        (table, *others) = [_matrix(lines) for _, lines in group.groupby("framework")]
        found.append(Grid(f"Which digit is taken for which: {name}; sums over seeds", [table]))
        found += [Grid(f"The same in {count(len(others), 'other framework')}", others, folded=True)] if others else []
        if shown := _worst(group, images, shapes):
            caption = f"Most often among the worst mistakes, by loss: {name}; label → read as (frameworks)"
            found.append(Digits(caption, shown, facets(first, "model", "device", "batch")))
    return found


def _complete(matrix: Any) -> bool:
    """Return whether a row has a whole confusion matrix."""
    return isinstance(matrix, list) and len(matrix) == CLASSES**2


def _matrix(launches: pd.DataFrame) -> tuple[Table, Facets]:
    """Return one framework's confusion matrix, (label, predicted), in the first of its modes, summed over its seeds.

    With it what it is filtered by.
    """
    launches = launches[launches["mode"] == launches["mode"].min()]
    counts = np.sum([np.reshape(found, (CLASSES, CLASSES)) for found in launches[CONFUSION]], axis=0)
    lines = []
    for label, row in enumerate(counts):
        cells = [
            Cell(f"{int(n)}" if n else "", style="hit" if label == column else f"heat{_shade(n / max(1, row.sum()))}")
            for column, n in enumerate(row)
        ]
        lines.append(Line((Cell(str(label)), *cells)))
    wrong = int(counts.sum() - np.trace(counts))
    name = f"{words.short(launches['framework'].iloc[0])}, {words.short(launches['mode'].iloc[0])}"
    caption = f"{name}: {wrong:,} of {int(counts.sum()):,} wrong"
    columns = [Column("label"), *(Column(str(n), number=True) for n in range(CLASSES))]
    return Table(caption, columns, [Group(lines)], style="matrix"), facets(launches.iloc[0])


def _shade(share: float) -> int:
    """Return which of the shades a share of a digit's images has, from 0 for none."""
    return sum(share > level for level in LEVELS)


def _worst(
    launches: pd.DataFrame, images: dict[tuple[Any, Any], Record], shapes: dict[Any, tuple[Any, Any]]
) -> list[Digit]:
    """Return the images that most frameworks name among their worst mistakes, at most twelve, with what was read.

    `shapes` are (height, width) by data set, as their records say.
    """
    seen: dict[int, dict[int, set[str]]] = {}
    columns = ["framework", INDICES, READ_AS]
    for framework, indices, predicted in launches[columns].itertuples(index=False, name=None):
        if isinstance(indices, list) and isinstance(predicted, list):
            for index, digit in zip(indices, predicted, strict=False):
                seen.setdefault(index, {}).setdefault(digit, set()).add(words.short(framework))
    order = sorted(seen, key=lambda index: (-sum(map(len, seen[index].values())), index))
    dataset, shown = launches["dataset"].iloc[0], []
    for index in order:
        image = images.get((dataset, index), {})
        if picture := uri(image.get("pixels"), *shapes.get(dataset, (None, None))):
            guesses = sorted(seen[index].items(), key=lambda item: (-len(item[1]), item[0]))
            what = ", ".join(f"{digit} ({len(names)})" for digit, names in guesses)
            shown.append(Digit(picture, f"{image.get('label')} → {what}"))
    return shown[:12]
