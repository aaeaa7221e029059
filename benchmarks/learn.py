"""An accuracy launch: train the recipe's epochs and evaluate after each. No speed comes from here.

Accuracy and loss are computed here, in NumPy and float64, from the outputs that the adapter returns, so that
no framework's idea of a metric takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter, Resident
from benchmarks.batches import Inputs
from benchmarks.training import Training

Array = npt.NDArray[Any]


def score(outputs: Array, labels: Array, loss: str) -> tuple[int, float]:
    """Return (correct answers, sum of losses) of outputs (N, K), labels (N,); a regression's output is rounded."""
    outputs = outputs.astype(np.float64)
    if loss == "mean_squared_error":
        digits = np.rint(outputs[:, 0])
        return int((digits == labels).sum()), float(np.square(outputs[:, 0] - labels).sum())
    largest = outputs.max(axis=1, keepdims=True)
    sums = np.log(np.exp(outputs - largest).sum(axis=1)) + largest[:, 0]
    return int((outputs.argmax(axis=1) == labels).sum()), float((sums - outputs[np.arange(len(labels)), labels]).sum())


def placed(adapter: Adapter, batches: Iterable[tuple[Array, Array]]) -> Iterator[tuple[Resident, Array]]:
    """Yield each stack of batches on the device, with its labels."""
    for images, labels in batches:
        yield adapter.put(images, labels), labels


def evaluate(adapter: Adapter, stacks: Iterable[tuple[Resident, Array]]) -> tuple[float, float]:
    """Return (accuracy, mean loss) over resident batches, each stack with its labels."""
    correct, total, samples = 0, 0.0, 0
    for resident, labels in stacks:
        outputs = adapter.fetch(adapter.evaluate(resident, 0, resident.steps))
        right, loss = score(outputs, labels.reshape(-1), adapter.recipe.loss)
        correct, total, samples = correct + right, total + loss, samples + labels.size
    return correct / samples, total / samples


def train_epoch(
    adapter: Adapter, inputs: Inputs, epoch: int, batch_size: int, pipeline: str = "resident"
) -> tuple[float, float | None]:
    """Train on every sample of one epoch, remainder included; return (mean loss, running accuracy) of its batches.

    The accuracy is that of each batch just before its step; None unless the recipe stops by it, since it costs
    another forward pass.
    """
    adapter.set_rate(adapter.recipe.schedule.rate(adapter.recipe.optimiser, epoch))
    losses, correct, samples = [], 0, 0
    for images, labels in inputs.train(epoch, batch_size):
        with closing(Training(adapter, images, labels, pipeline)) as training:
            if adapter.recipe.stop_when_accuracy_falls:
                resident = adapter.put(images, labels)
                for index in range(resident.steps):
                    outputs = adapter.fetch(adapter.evaluate(resident, index, 1))
                    correct += score(outputs, labels[index], adapter.recipe.loss)[0]
                    training.train(1)
            else:
                training.train(len(labels))
            losses.append(training.losses())
        samples += labels.size
    accuracy = correct / samples if adapter.recipe.stop_when_accuracy_falls else None
    return float(np.concatenate(losses).mean()), accuracy


def learn(adapter: Adapter, inputs: Inputs, batch_size: int, epochs: int, pipeline: str = "resident") -> dict[str, Any]:
    """Train `epochs` epochs from the initial weights; return the row's columns on accuracy and loss.

    A recipe that stops when its training accuracy falls ends after the epoch in which it did.
    """
    adapter.set_weights(inputs.weights)
    tests = list(placed(adapter, inputs.test(batch_size)))
    by_epoch: dict[str, list[float]] = {"train_loss_by_epoch": [], "accuracy_by_epoch": [], "loss_by_epoch": []}
    before = 0.0
    for epoch in range(epochs):
        train_loss, train_accuracy = train_epoch(adapter, inputs, epoch, batch_size, pipeline)
        accuracy, loss = evaluate(adapter, tests)
        if not np.isfinite([train_loss, loss]).all():
            return {"status": "nan", "reason": f"loss is not finite after epoch {epoch + 1}", "epochs": epoch + 1}
        for name, value in zip(by_epoch, (train_loss, accuracy, loss), strict=True):
            by_epoch[name].append(value)
        if train_accuracy is not None:
            if train_accuracy < before:
                break
            before = train_accuracy
    return {
        **by_epoch,
        "epochs": len(by_epoch["accuracy_by_epoch"]),
        "train_accuracy": evaluate(adapter, placed(adapter, inputs.train(0, batch_size)))[0],
        "accuracy": by_epoch["accuracy_by_epoch"][-1],
        "loss": by_epoch["loss_by_epoch"][-1],
    }
