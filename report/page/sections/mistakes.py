"""Which digit is taken for which, and the images that were got most wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import count
from report.page import drawing, words
from report.page.inputs import Inputs, Record
from report.page.parts import Cell, Column, Digit, Digits, Facets, Grid, Group, Line, Part, Table, Words, facets
from report.tables.compare import COMPARISON

CLASSES = 10
LEVELS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2)  # shares of a digit's images from which a shade begins
CONFUSION, READ_AS, INDICES = "confusion", "mistakes_read_as", "mistakes"
MISSING = "These results hold neither confusions nor mistakes."


def parts(inputs: Inputs) -> list[Part]:
    """Return confusion matrices and the worst mistakes of the headline's comparisons, or why there are none."""
    launches = inputs.learnt
    if CONFUSION not in launches or not launches[CONFUSION].map(_complete).any():
        return [Words([MISSING])] if len(launches) else []
    found: list[Part] = []
    images = {(image.get("dataset"), image.get("index")): image for image in inputs.records("images")}
    shapes = {d.get("name"): (d.get("height"), d.get("width")) for d in inputs.records("datasets")}
    for _, group in launches[launches[CONFUSION].map(_complete)].groupby(COMPARISON, sort=False):
        if not any((group.iloc[0][COMPARISON] == cells.iloc[0][COMPARISON]).all() for cells in inputs.headline):
            continue
        first, name = group.iloc[0], words.comparison(group.iloc[0], "threads", "dtype", "input")
        (table, *others) = [_matrix_of(lines) for _, lines in group.groupby("framework")]
        found.append(Grid(f"Which digit is taken for which: {name}; sums over seeds", [table]))
        found += [Grid(f"The same in {count(len(others), 'other framework')}", others, folded=True)] if others else []
        if shown := _worst(group, images, shapes):
            caption = f"Most often among the worst mistakes, by loss: {name}; label → read as (frameworks)"
            found.append(Digits(caption, shown, facets(first, "model", "device", "batch")))
    return found


def _complete(matrix: Any) -> bool:
    """Return whether a row has a whole confusion matrix."""
    return isinstance(matrix, list) and len(matrix) == CLASSES**2


def _matrix_of(launches: pd.DataFrame) -> tuple[Table, Facets]:
    """Return one framework's matrix, in the first of its modes, with what it is filtered by."""
    mode = launches["mode"].min()
    lines = launches[launches["mode"] == mode]
    return _matrix(lines), facets(lines.iloc[0])


def _matrix(launches: pd.DataFrame) -> Table:
    """Return one framework's confusion matrix, (label, predicted), summed over its seeds."""
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
    return Table(caption, columns, [Group(lines)], style="matrix")


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
        if uri := drawing.uri(image.get("pixels"), *shapes.get(dataset, (None, None))):
            guesses = sorted(seen[index].items(), key=lambda item: (-len(item[1]), item[0]))
            what = ", ".join(f"{digit} ({len(names)})" for digit, names in guesses)
            shown.append(Digit(uri, f"{image.get('label')} → {what}"))
    return shown[:12]
