"""One training's curves, as a picture beside the weights: loss and accuracy by epoch, from the model card alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks import saved
from benchmarks.console import plain
from benchmarks.datasets.reading import shown
from benchmarks.errors import DataError, StorageError
from benchmarks.values import fits
from report.page.drawing import SETTINGS
from report.page.palette import look

BY_EPOCH = ("train_loss_by_epoch", "loss_by_epoch", "accuracy_by_epoch")


def draw(folder: Path) -> Path:
    """Write curves.svg into a folder of saved weights and return its path; DataError where its card has no scores."""
    kept = saved.read(folder)
    scores = kept.card.get("scores", {})
    lengths = {len(scores[name]) if fits("floats", scores.get(name)) else 0 for name in BY_EPOCH}
    if 0 in lengths or len(lengths) > 1:
        raise DataError(f"the card of {shown(folder)} has no scores by epoch")
    training, data = kept.card.get("training", {}), kept.card.get("dataset", {})
    title = plain(
        f"{kept.recipe.name} in {training.get('framework')} on {data.get('name')}, seed {training.get('seed')}"
    )
    target = folder / saved.CURVES
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its keys are literal types there
        figure = drawn(title, scores, look(str(training.get("framework"))).colour)
        try:
            with target.open("xb") as file:  # a new file: never through a link
                figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(f"cannot write {shown(target)}: {error.strerror}") from error
    return target


def drawn(title: str, scores: dict[str, Any], colour: str) -> Figure:
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
