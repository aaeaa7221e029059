"""Accuracy by epoch beside what a recipe's tutorial published: does every framework learn what was learnt there?"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from adapters.recipes import PUBLISHED_ACCURACY, PUBLISHED_TRAIN_ACCURACY
from report.formats import markdown_text

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
    return "\n\n".join("\n".join("| " + " | ".join(line) + " |" for line in lines) for lines in tables(table))


def tables(table: pd.DataFrame) -> Iterator[list[list[str]]]:
    """Yield the lines of each recipe's table, heading included."""
    for (recipe, dataset), group in table.groupby(["recipe", "dataset"], sort=False):
        if recipe not in PUBLISHED_ACCURACY and recipe not in PUBLISHED_TRAIN_ACCURACY:
            continue
        published = dict(enumerate(PUBLISHED_ACCURACY.get(recipe, ()), 1))
        epochs = sorted(set(group["epoch"]))
        epochs = epochs if published else epochs[-1:]  # a lone training figure stands beside the last epoch
        lines = [
            [
                f"{recipe}, {markdown_text(str(dataset))}: % right after epoch",
                *map(str, epochs),
                "training images",
                "seeds",
            ],
            ["---"] * (len(epochs) + 3),
            [
                "published",
                *(percent(published.get(n)) for n in epochs),
                percent(PUBLISHED_TRAIN_ACCURACY.get(recipe)),
                "",
            ],
        ]
        for framework, curve in group.groupby("framework"):
            found = dict(zip(curve["epoch"], curve["accuracy"], strict=True))
            figures = [*(percent(found.get(n)) for n in epochs), percent(curve["train_accuracy"].iloc[-1])]
            lines.append([markdown_text(str(framework)), *figures, str(curve["seeds"].max())])
        yield lines


def percent(value: float | None) -> str:
    """Return an accuracy as percent with two digits: of 10,000 images, one is 0.01."""
    return "" if value is None else f"{100 * value:.2f}"
