"""An accuracy launch: train the recipe's epochs, evaluate after each, and record when an accuracy is first reached.

No speed comes from this module: an epoch's seconds hold its evaluation. Accuracy, loss and the confusion matrix are
computed in NumPy and float64, from the outputs that the adapter returns, so that no framework's idea of a metric takes
part. The proof trains through the same batch cursor, by either input. Runs inside a framework's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter, Feed, Preloaded
from benchmarks.worker import replay
from benchmarks.worker.inputs import Inputs, copied
from benchmarks.worker.protocol import Progress
from benchmarks.worker.timing import Stopwatch

Array = npt.NDArray[Any]


class BatchCursor:
    """Steps on the batches of a stack in order, wrapping round; use with contextlib.closing.

    images (S, B, C, H, W) in the adapter's dtype, which become the adapter's own; labels (S, B) int64, copied.
    """

    def __init__(self, adapter: Adapter, images: Array, labels: Array, input: str) -> None:
        self.adapter, self.taken = adapter, 0
        self.batches = _feed(adapter, images, labels) if input == "host" else adapter.put(images, labels.copy())

    def train(self, count: int) -> None:
        """Take `count` steps on the next batches."""
        if isinstance(self.batches, Feed):
            self.adapter.train_fed(self.batches, count)
        else:
            self.adapter.train(self.batches, self.taken % self.batches.steps, count)
        self.taken += count

    def skip(self, count: int) -> None:
        """Pass over the next `count` batches; a feed can do so only by training on them."""
        if isinstance(self.batches, Feed):
            self.adapter.train_fed(self.batches, count)
        self.taken += count

    def losses(self) -> npt.NDArray[np.float64]:
        """Return the loss last seen on each batch, (S,), NaN where there was none."""
        return self.adapter.losses(self.batches)

    def close(self) -> None:
        """End what feeds."""
        if isinstance(self.batches, Feed):
            self.batches.close()


def _feed(adapter: Adapter, images: Array, labels: Array) -> Feed:
    """Feed a stack's batches; in memory the samples lie the other way round, so that the order decides something."""
    samples = np.ascontiguousarray(images.reshape(-1, *images.shape[2:])[::-1])
    order = np.arange(labels.size)[::-1].reshape(labels.shape)
    return adapter.feed(samples, np.ascontiguousarray(labels.reshape(-1)[::-1]), order)


MOST_CLASSES = 20  # of a confusion matrix in a row: that of a thousand classes has a million numbers
SHOWN = 12


def _outputs(adapter: Adapter, stacks: Iterable[tuple[Preloaded, Array]]) -> tuple[Array, Array]:
    """Return outputs (N, K) and labels (N,) of preloaded batches with labels (S, B)."""
    outputs, labels = [], []
    for preloaded, some in stacks:
        outputs.append(adapter.fetch(adapter.evaluate(preloaded, 0, preloaded.steps)))
        labels.append(some.reshape(-1))
    return np.concatenate(outputs), np.concatenate(labels)


def _columns(outputs: Array, labels: Array, loss: str, classes: int) -> dict[str, Any]:
    """Return confusion, mistakes and what they were read as, from outputs (N, K) and labels (N,) of so many classes.

    No confusion of more than MOST_CLASSES; what was read as no class is left out of it.
    """
    read_as, losses = readings(outputs, labels, loss)
    wrong = np.flatnonzero(read_as != labels)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:SHOWN]
    found = {"mistakes": worst.tolist(), "mistakes_read_as": read_as[worst].tolist()}
    if classes > MOST_CLASSES:
        return found
    known = (read_as >= 0) & (read_as < classes)
    confusion = np.bincount((labels * classes + read_as)[known], minlength=classes**2)
    return {"confusion": confusion.tolist(), **found}


def readings(outputs: Array, labels: Array, loss: str) -> tuple[Array, Array]:
    """Return (class, loss) of each output; a regression's is rounded, and may be no class."""
    if loss == "mean_squared_error":
        return np.rint(outputs[:, 0]).astype(np.int64), np.square(outputs[:, 0] - labels)
    largest = outputs.max(axis=1)
    sums = np.log(np.exp(outputs - largest[:, None]).sum(axis=1)) + largest
    return outputs.argmax(axis=1), sums - outputs[np.arange(len(labels)), labels]


Placed = tuple[Preloaded, Array]  # batches of one size on the device, and their labels (S, B) here
BY_EPOCH = ("train_loss_by_epoch", "accuracy_by_epoch", "loss_by_epoch", "seconds_by_epoch")


class Stack(NamedTuple):
    """Batches of one size to train on, their labels (S, B), and where they lie preloaded, if they do."""

    training: BatchCursor
    labels: Array
    preloaded: Preloaded | None


def _score(outputs: Array, labels: Array, loss: str) -> tuple[int, float]:
    """Return (correct answers, sum of losses) of outputs (N, K), labels (N,); a regression's output is rounded."""
    read_as, losses = readings(outputs.astype(np.float64), labels, loss)
    return int((read_as == labels).sum()), float(losses.sum())


def _placed(adapter: Adapter, batches: Iterable[tuple[Array, Array]]) -> Iterator[Placed]:
    """Yield each stack of batches on the device, with its labels."""
    for images, labels in batches:
        yield adapter.put(images, labels.copy()), labels  # these are kept to score by


def _evaluate(adapter: Adapter, stacks: Iterable[Placed]) -> tuple[float, float]:
    """Return (accuracy, mean loss) over preloaded batches, each stack with its labels."""
    correct, total, samples = 0, 0.0, 0
    for preloaded, labels in stacks:
        outputs = adapter.fetch(adapter.evaluate(preloaded, 0, preloaded.steps))
        right, loss = _score(outputs, labels.reshape(-1), adapter.recipe.loss)
        correct, total, samples = correct + right, total + loss, samples + labels.size
    return correct / samples, total / samples


def _train_stacks(adapter: Adapter, inputs: Inputs, epoch: int, batch_size: int, input: str) -> list[Stack]:
    """Place an epoch's batches, or begin to feed them; return when they are there."""
    found = []
    for images, labels in inputs.train(epoch, batch_size):
        training = BatchCursor(adapter, images, labels, input)
        preloaded = training.batches if isinstance(training.batches, Preloaded) else None
        if preloaded is None and adapter.recipe.stop_when_accuracy_falls:  # it evaluates between steps
            preloaded = adapter.put(images, labels.copy())
        found.append(Stack(training, labels, preloaded))
    adapter.synchronise([(stack.preloaded.images, stack.preloaded.labels) for stack in found if stack.preloaded])
    return found


def _compile_shapes(adapter: Adapter, stacks: Sequence[Stack], tests: Iterable[Placed]) -> None:
    """Take one step and one evaluation of every shape that will occur, so that none is compiled on the clock."""
    for stack in stacks:
        stack.training.train(1)
        stack.training.close()
    between = [stack.preloaded for stack in stacks if stack.preloaded and adapter.recipe.stop_when_accuracy_falls]
    for preloaded in [*(preloaded for preloaded, _ in tests), *between]:
        adapter.fetch(adapter.evaluate(preloaded, 0, 1))
    adapter.synchronise()


def _train_epoch(adapter: Adapter, stacks: Iterable[Stack], epoch: int) -> float | None:
    """Train on every batch of one epoch and wait for the device; return the running accuracy.

    The accuracy is that of each batch just before its step; None unless the recipe stops by it, since it costs
    another forward pass.
    """
    adapter.set_rate(adapter.recipe.schedule.rate(adapter.recipe.optimiser, epoch))
    correct, samples = 0, 0
    for training, labels, preloaded in stacks:
        samples += labels.size
        if preloaded is None or not adapter.recipe.stop_when_accuracy_falls:
            training.train(len(labels))
            continue
        for index in range(len(labels)):
            outputs = adapter.fetch(adapter.evaluate(preloaded, index, 1))
            correct += _score(outputs, labels[index], adapter.recipe.loss)[0]
            training.train(1)
    adapter.synchronise()
    return correct / samples if adapter.recipe.stop_when_accuracy_falls else None


def _one_epoch(
    adapter: Adapter, stacks: Sequence[Stack], tests: Sequence[Placed], epoch: int, clock: Stopwatch
) -> tuple[float | None, tuple[float, float, float, float]]:
    """Train and evaluate on the clock; return (running training accuracy or None, BY_EPOCH's figures)."""
    with clock:
        train_accuracy = _train_epoch(adapter, stacks, epoch)
    train_loss = float(np.concatenate([stack.training.losses() for stack in stacks]).mean())
    with clock:
        accuracy, loss = _evaluate(adapter, tests)
    return train_accuracy, (train_loss, accuracy, loss, clock.seconds)


def learn(
    adapter: Adapter,
    inputs: Inputs,
    batch_size: int,
    epochs: int,
    target: float | None = None,
    input: str = "preloaded",
    report: Callable[[Progress], None] = lambda figures: None,
    evidence: Path | None = None,
) -> dict[str, Any]:
    """Train `epochs` epochs from the initial weights; return the row's columns on accuracy, loss and time.

    On the clock: each epoch's training until the device has finished, feeding it where batches come from host memory,
    then the evaluation on the test images, with fetching and scoring. Apart: compilation, and gathering and placing
    preloaded batches (`placing_s`). `target` is the accuracy whose first reaching is timed. A recipe that stops when
    its training accuracy falls ends after the epoch in which it did. `report` takes each epoch's figures off the
    clock. The last weights and their outputs on the test images go to the file `evidence`.
    """
    tests = list(_placed(adapter, inputs.test(batch_size)))
    clock, placing = Stopwatch(), Stopwatch()
    by_epoch: dict[str, list[float]] = {name: [] for name in BY_EPOCH}
    before = 0.0
    for epoch in range(epochs):
        if epoch == 0:
            _compile_shapes(adapter, _train_stacks(adapter, inputs, epoch, batch_size, input), tests)
            adapter.set_weights(copied(inputs.weights))  # forgets what those steps did, the optimiser's state too
            adapter.synchronise()
        with placing:
            stacks = _train_stacks(adapter, inputs, epoch, batch_size, input)
        train_accuracy, figures = _one_epoch(adapter, stacks, tests, epoch, clock)
        for stack in stacks:
            stack.training.close()
        del stacks  # makes room for the next epoch's
        if not np.isfinite(figures).all():
            return {"status": "nan", "reason": f"loss is not finite after epoch {epoch + 1}", "epochs": epoch + 1}
        for name, figure in zip(BY_EPOCH, figures, strict=True):
            by_epoch[name].append(figure)
        train_loss, accuracy, loss, seconds = figures
        report(Progress(epoch=epoch + 1, train_loss=train_loss, accuracy=accuracy, loss=loss, seconds=seconds))
        if train_accuracy is not None:
            if train_accuracy < before:
                break
            before = train_accuracy
    outputs, labels = _outputs(adapter, tests)
    if evidence:
        replay.write(evidence, [], replay.Evaluation(adapter.get_weights(), outputs))
    return {
        **by_epoch,
        "epochs": len(by_epoch["accuracy_by_epoch"]),
        "train_accuracy": _evaluate(adapter, _placed(adapter, inputs.train(0, batch_size)))[0],
        **_columns(outputs.astype(np.float64), labels, adapter.recipe.loss, inputs.classes),
        "accuracy": by_epoch["accuracy_by_epoch"][-1],
        "loss": by_epoch["loss_by_epoch"][-1],
        "accuracy_target": target,
        "time_to_accuracy_s": _first_reached(target, by_epoch["accuracy_by_epoch"], by_epoch["seconds_by_epoch"]),
        "placing_s": placing.seconds,
    }


def _first_reached(target: float | None, accuracies: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Return the clock after the first epoch whose accuracy is `target` or more; None if there is none."""
    found = zip(accuracies, seconds, strict=True)
    return None if target is None else next((clock for accuracy, clock in found if accuracy >= target), None)
