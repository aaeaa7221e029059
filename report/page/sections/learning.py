"""What each framework learns: how soon it reaches its accuracy, and by epoch.

And what it does not: which class is taken for which, and the images that most frameworks get wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.errors import count
from report.page import columns, words
from report.page.charts import uri
from report.page.inputs import Inputs, Record, alike
from report.page.parts import (
    Beside,
    Cell,
    Chart,
    Charts,
    Column,
    Digit,
    Digits,
    Facets,
    Grid,
    Group,
    Line,
    Part,
    Section,
    Table,
    Words,
    facets,
)
from report.tables.compare import COMPARISON

MEASURES = {  # kind of chart: (column of a row, caption)
    "epochs": ("accuracy_by_epoch", "Accuracy by epoch"),
    "losses": ("loss_by_epoch", "Loss by epoch"),
}
BY_EPOCH = ("accuracy_by_epoch", "loss_by_epoch", "seconds_by_epoch")
LARGEST_DRAWN = 1e30  # of a loss or a second: no axis has ticks up to the largest float
LEVELS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2)  # shares of a class's images from which a shade begins
CONFUSION, READ_AS, INDICES = "confusion", "mistakes_read_as", "mistakes"
MISSING = "These results hold neither confusions nor mistakes."
Floats = npt.NDArray[np.float64]


def _time_to_target(record: dict[Any, Any]) -> Cell:
    """Return how long training takes to its target, which stands beneath."""
    target = record["accuracy_target"]
    shown = words.number(target, ".1%") if words.known(target) else ""
    return columns.quantity(record["time_to_accuracy_s"], words.seconds, shown)


def _accuracy(record: dict[Any, Any]) -> Cell:
    """Return the accuracy, and the verdict on its difference to the reference."""
    return columns.quantity(record["accuracy"], ".4f", words.text(record["accuracy_verdict"]))


SOON = (
    columns.FRAMEWORK,
    columns.MODE,
    columns.figure("time to target", "time_to_accuracy_s", words.seconds),
    columns.out_of("reached by", "reached", "seeds"),
    Column("accuracy", "", True, _accuracy),
)
COLUMNS = (
    columns.FRAMEWORK,
    columns.MODE,
    Column("time to target", "target", True, _time_to_target),
    columns.out_of("reached by", "reached", "seeds"),
    columns.estimate("accuracy", "accuracy", ".4f", "accuracy_"),
    columns.estimate("difference", "difference", "+z.4f", "difference_"),
    Column("verdict", cell=lambda record: Cell(words.text(record["accuracy_verdict"]))),
)
MOST = 4  # comparisons that stand open


def section(inputs: Inputs) -> Section:
    """Return the section on time to accuracy: of each comparison the table and accuracy by second."""
    trained = inputs.table[inputs.table["seeds"].fillna(0) > 0]
    groups_by = {tuple(key): group for key, group in trained.groupby(COMPARISON, sort=False)}
    first = [key for cells in inputs.headline if (key := tuple(cells.iloc[0][COMPARISON])) in groups_by]
    ordered = [groups_by[key] for key in dict.fromkeys([*first, *groups_by])]
    curves = {tuple(key): _by_cell(group) for key, group in inputs.learnt.groupby(COMPARISON, sort=False)}
    found = [_comparison(group, curves.get(tuple(group.iloc[0][COMPARISON]), {})) for group in ordered]
    parts: list[Part] = [*found[:MOST]]
    if found:
        groups = [
            columns.grouped(COLUMNS, group.sort_values(["framework", "mode"]), words.comparison(group.iloc[0]))
            for group in ordered
        ]
        parts.append(Table("Accuracy after the last epoch, with its differences", COLUMNS, groups, folded=True))
    missing = "No launch that trains for accuracy ended ok in these results."
    return Section("learning", "Time to accuracy", parts or [Words([missing])])


def _comparison(cells: pd.DataFrame, curves: dict[tuple[Any, ...], pd.DataFrame]) -> Beside:
    """Return one comparison's times and accuracies beside its curves by second."""
    first, times = cells.iloc[0], cells.sort_values(["time_to_accuracy_s", "framework", "mode"])
    reference = words.text(first["difference_to"])
    to = f"; accuracies are judged against {words.short(reference)}'s, paired by seeds" if reference else ""
    caption = f"{words.short(first['model'])}, batch {first['batch_size']}"
    drawn = {key: curve for key, curve in curves.items() if len(curve) > 1}
    shared = facets(first, "model", "device", "batch")
    table = Table(caption, SOON, [columns.grouped(SOON, times)], style="five")
    return Beside(
        f"{caption}: {_soonest(times)}", f"{words.comparison(first)}{to}.", table,
        _chart("seconds", "accuracy_by_epoch", "", drawn, {}) if drawn else None, shared,
    )  # fmt: skip


def _soonest(times: pd.DataFrame) -> str:
    """Say who reaches the target first, after how long, as medians over seeds tell; the accuracies where none does."""
    reached = times[times["time_to_accuracy_s"].notna() & (times["time_to_accuracy_s"].astype(float) < np.inf)]
    if not len(reached):
        known = times["accuracy"].dropna()
        ends = dict.fromkeys(f"{end:.4f}" for end in (known.min(), known.max()))
        return f"accuracy {' to '.join(ends)}." if len(known) else "no accuracy."
    first, last = reached.iloc[0], reached.iloc[-1]
    target = f"{words.short(first['framework'])} reaches {words.number(first['accuracy_target'], '.1%')} after "
    told = f"{target}{words.seconds(first['time_to_accuracy_s'])}"
    return (
        f"{told}, {words.short(last['framework'])} last after {words.seconds(last['time_to_accuracy_s'])}."
        if len(reached) > 1
        else f"{told}."
    )


def by_epoch(inputs: Inputs) -> Section:
    """Return the appendix's section: curves by epoch, confusions and mistakes."""
    charts = []
    for _, group in inputs.learnt.groupby(COMPARISON, sort=False):
        drawn = {key: curve for key, curve in _by_cell(group).items() if len(curve) > 1}
        first = group.iloc[0]
        for kind, (column, title) in MEASURES.items() if drawn else ():
            caption = f"{title}: {words.comparison(first, 'threads', 'dtype')}"
            charts.append(_chart(kind, column, caption, drawn, facets(first, "model", "device", "batch")))
    parts: list[Part] = [Charts(charts)] if charts else []
    if len(inputs.learnt) and not charts:
        parts.append(Words(["Only one epoch was trained, which makes no curve."]))
    return Section("epochs", "By epoch, and which classes are taken for which", [*parts, *_mistakes(inputs)])


def _by_cell(launches: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    """Return the curves of each framework and mode."""
    return {key: _curves(lines) for key, lines in launches.groupby(["framework", "mode"])}


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


def _chart(kind: str, column: str, caption: str, found: dict[tuple[Any, ...], pd.DataFrame], facet: Facets) -> Chart:
    """Return one measure of a comparison by epoch or by second: means over seeds, the band from least to largest."""
    scale = 100 if column.startswith("accuracy") else 1
    records = []
    for (framework, mode), curve in found.items():
        for epoch, line in curve.iterrows():
            at = float(line["seconds_by_epoch_mean"]) if kind == "seconds" else int(str(epoch))
            low, value, high = (scale * float(line[f"{column}_{end}"]) for end in ("low", "mean", "high"))
            if max(abs(low), abs(high), abs(at)) > LARGEST_DRAWN or at <= 0:
                continue
            hint = f"{words.short(framework)}, {words.short(mode)}: {value:.4g} after epoch {epoch}"
            own = facets({"framework": framework, "mode": mode})
            records.append({**own, "at": at, "value": value, "low": low, "high": high, "hint": hint})
    ends = (f"{words.short(key[0])} {curve[f'{column}_mean'].iloc[-1]:.4g}" for key, curve in found.items())
    return Chart(kind, records, caption, f"Mean over seeds at the end: {', '.join(ends)}.", facet)


def _mistakes(inputs: Inputs) -> list[Part]:
    """Return confusion matrices and the worst mistakes of the headline's comparisons, or why there are none."""
    launches = inputs.learnt
    if CONFUSION not in launches or not launches[CONFUSION].map(_complete).any():
        return [Words([MISSING])] if len(launches) else []
    found: list[Part] = []
    images = {(image.get("dataset"), image.get("index")): image for image in inputs.records("images")}
    datasets = {dataset.get("name"): dataset for dataset in inputs.records("datasets")}
    for _, group in launches[launches[CONFUSION].map(_complete)].groupby(COMPARISON, sort=False):
        if not any(alike(group, cells.iloc[0], COMPARISON).all() for cells in inputs.headline):
            continue
        first, name = group.iloc[0], words.comparison(group.iloc[0], "threads", "dtype", "input")
        (table, *others) = [_matrix(lines) for _, lines in group.groupby("framework")]
        found.append(Grid(f"Which class is taken for which: {name}; sums over seeds", [table]))
        found += [Grid(f"The same in {count(len(others), 'other framework')}", others, folded=True)] if others else []
        if shown := _worst(group, images, datasets.get(first["dataset"], {})):
            caption = f"Most often among the worst mistakes, by loss: {name}; label → read as (frameworks)"
            found.append(Digits(caption, shown, facets(first, "model", "device", "batch")))
    return found


def _complete(matrix: Any) -> bool:
    """Return whether a row has a whole confusion matrix."""
    return isinstance(matrix, list) and len(matrix) > 1 and math.isqrt(len(matrix)) ** 2 == len(matrix)


def _matrix(launches: pd.DataFrame) -> tuple[Table, Facets]:
    """Return one framework's confusion matrix, (label, predicted), in the first of its modes, summed over its seeds.

    With it what it is filtered by.
    """
    launches = launches[launches["mode"] == launches["mode"].min()]
    size = launches[CONFUSION].map(len).max()  # one data set has one, unless somebody wrote to the file
    alike = launches[CONFUSION][launches[CONFUSION].map(len) == size]
    counts = np.sum([np.reshape(found, (math.isqrt(size), -1)) for found in alike], axis=0)
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
    columns = [Column("label"), *(Column(str(n), number=True) for n in range(len(counts)))]
    return Table(caption, columns, [Group(lines)], style="matrix"), facets(launches.iloc[0])


def _shade(share: float) -> int:
    """Return which of the shades a share of a class's images has, from 0 for none."""
    return sum(share > level for level in LEVELS)


def _worst(launches: pd.DataFrame, images: dict[tuple[Any, Any], Record], about: Record) -> list[Digit]:
    """Return the images that most frameworks name among their worst mistakes, at most twelve, with what was read.

    `about` is the record of their data set.
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
        if picture := uri(image.get("pixels"), about):
            guesses = sorted(seen[index].items(), key=lambda item: (-len(item[1]), item[0]))
            what = ", ".join(f"{digit} ({len(names)})" for digit, names in guesses)
            shown.append(Digit(picture, f"{image.get('label')} → {what}"))
    return shown[:12]
