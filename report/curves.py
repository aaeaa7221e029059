"""Learning curves: one training's as a picture beside its weights, and all frameworks' beside the published figures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from adapters.recipes import PUBLISHED_ACCURACY, PUBLISHED_TRAIN_ACCURACY
from adapters.registry import BLACK, record
from benchmarks import files
from benchmarks.errors import DataError, StorageError, plain, shown
from benchmarks.models import checkpoint
from benchmarks.worker.validate import mistake
from report.formats import markdown_table, markdown_text

SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "lockstep", "text.parse_math": False, "font.size": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "axes.edgecolor": "#808080",
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#808080", "grid.alpha": 0.22, "grid.linewidth": 0.6,
    "xtick.color": "#808080", "ytick.color": "#808080", "xtick.labelcolor": "black", "ytick.labelcolor": "black",
    "legend.frameon": False,
}  # fmt: skip
BY_EPOCH = ("train_loss_by_epoch", "loss_by_epoch", "accuracy_by_epoch")


def draw(folder: Path) -> Path:
    """Write curves.svg into a folder of saved weights and return its path; DataError where its card has no scores."""
    kept = checkpoint.read_checkpoint(folder)
    scores = kept.card.get("scores", {})
    lengths = {0 if mistake(list[float], scores.get(name)) else len(scores[name]) for name in BY_EPOCH}
    if 0 in lengths or len(lengths) > 1:
        raise DataError(f"the card of {shown(folder)} has no scores by epoch")
    training, data = kept.card.get("training", {}), kept.card.get("dataset", {})
    title = plain(
        f"{kept.recipe.name} in {training.get('framework')} on {data.get('name')}, seed {training.get('seed')}"
    )
    target = folder / checkpoint.CURVES
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its keys are literal types there
        figure = _drawn(title, scores, record(str(training.get("framework"))).look.colour.replace(BLACK, "black"))
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
        try:
            files.write_whole(target, drawn.getvalue())  # in place of an earlier one, never through a link
        except OSError as error:
            raise StorageError(f"cannot write {shown(target)}: {error.strerror}") from error
    return target


def _drawn(title: str, scores: dict[str, Any], colour: str) -> Figure:
    """Return the figure: losses on the left, accuracy on the test images on the right."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=10)
    losses, accuracy = figure.subplots(1, 2)
    epochs = range(1, len(scores["loss_by_epoch"]) + 1)
    marker = {"marker": "o", "markersize": 3.5}
    losses.plot(epochs, scores["train_loss_by_epoch"], color="#808080", linestyle="--", label="training", **marker)
    losses.plot(epochs, scores["loss_by_epoch"], color=colour, label="test images", **marker)
    losses.set_ylabel("loss")
    losses.legend()
    accuracy.plot(epochs, [100 * value for value in scores["accuracy_by_epoch"]], color=colour, **marker)
    accuracy.set_ylabel("test accuracy, %")
    for axes in (losses, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


CURVE = ["recipe", "dataset", "framework"]


def curves(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean test accuracy over seeds: one line per recipe, dataset, framework and epoch, from 1.

    Columns accuracy, `seeds` (how many are in the mean; one that stopped early is missing later), and
    `train_accuracy`, on the training images after the last epoch. Only accuracy launches that ended ok count.
    """
    learnt = frame[(frame["task"] == "accuracy") & (frame["status"] == "ok") & frame["accuracy_by_epoch"].notna()]
    by_epoch = learnt[[*CURVE, "seed", "train_accuracy"]].assign(accuracy=learnt["accuracy_by_epoch"])
    by_epoch["epoch"] = [range(1, len(accuracies) + 1) for accuracies in by_epoch["accuracy"]]
    groups = by_epoch.explode(["accuracy", "epoch"]).groupby([*CURVE, "epoch"])
    means = {name: groups[name].mean() for name in ("accuracy", "train_accuracy")}
    return pd.DataFrame({**means, "seeds": groups["seed"].nunique()}).reset_index()


def as_markdown(table: pd.DataFrame) -> str:
    """Return a Markdown table per recipe that has published figures, in percent, the published line first."""
    return "\n\n".join(map(markdown_table, _tables(table)))


def _tables(table: pd.DataFrame) -> Iterator[list[list[str]]]:
    """Yield the lines of each recipe's table, heading included."""
    for (recipe, dataset), group in table.groupby(["recipe", "dataset"], sort=False):
        if recipe not in PUBLISHED_ACCURACY and recipe not in PUBLISHED_TRAIN_ACCURACY:
            continue
        published = dict(enumerate(PUBLISHED_ACCURACY.get(recipe, ()), 1))
        epochs = sorted(set(group["epoch"]))
        epochs = epochs if published else epochs[-1:]  # a lone training figure stands beside the last epoch
        heading = f"{recipe}, {markdown_text(str(dataset))}: % right after epoch"
        trained = _percent(PUBLISHED_TRAIN_ACCURACY.get(recipe))
        lines = [
            [heading, *map(str, epochs), "training images", "seeds"],
            ["published", *(_percent(published.get(n)) for n in epochs), trained, ""],
        ]
        for framework, curve in group.groupby("framework"):
            found = dict(zip(curve["epoch"], curve["accuracy"], strict=True))
            figures = [*(_percent(found.get(n)) for n in epochs), _percent(curve["train_accuracy"].iloc[-1])]
            lines.append([markdown_text(str(framework)), *figures, str(curve["seeds"].max())])
        yield lines


def _percent(value: float | None) -> str:
    """Return an accuracy as percent with two digits: of 10,000 images, one is 0.01."""
    return "" if value is None else f"{100 * value:.2f}"
