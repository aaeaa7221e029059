"""What a trained network misreads: a confusion matrix, and the test images it is most wrong about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter, Resident

Array = npt.NDArray[Any]
DIGITS = 10
SHOWN = 12


def misread(adapter: Adapter, stacks: Iterable[tuple[Resident, Array]]) -> dict[str, Any]:
    """Return the row's columns on the test images, given in their own order as resident batches with labels (S, B)."""
    outputs, labels = [], []
    for resident, some in stacks:
        outputs.append(adapter.fetch(adapter.evaluate(resident, 0, resident.steps)))
        labels.append(some.reshape(-1))
    return columns(np.concatenate(outputs).astype(np.float64), np.concatenate(labels), adapter.recipe.loss)


def columns(outputs: Array, labels: Array, loss: str) -> dict[str, Any]:
    """Return confusion, mistakes and what they were read as, from outputs (N, K) and labels (N,)."""
    read_as, losses = readings(outputs, labels, loss)
    digits = (read_as >= 0) & (read_as < DIGITS)
    confusion = np.bincount((labels * DIGITS + read_as)[digits], minlength=DIGITS**2)
    wrong = np.flatnonzero(read_as != labels)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:SHOWN]
    return {"confusion": confusion.tolist(), "mistakes": worst.tolist(), "mistakes_read_as": read_as[worst].tolist()}


def readings(outputs: Array, labels: Array, loss: str) -> tuple[Array, Array]:
    """Return (class, loss) of each output; a regression's is rounded, and may be no digit."""
    if loss == "mean_squared_error":
        return np.rint(outputs[:, 0]).astype(np.int64), np.square(outputs[:, 0] - labels)
    largest = outputs.max(axis=1)
    sums = np.log(np.exp(outputs - largest[:, None]).sum(axis=1)) + largest
    return outputs.argmax(axis=1), sums - outputs[np.arange(len(labels)), labels]
