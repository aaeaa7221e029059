"""Do frameworks read the same digits with the same weights? Image by image, and whether a difference is a tie.

Rounding differs between frameworks, so logits agree to some 1e-6 and no better: where the two largest are closer
than that, either answer is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.worker.train import readings

Array = npt.NDArray[Any]
LOGITS = 1e-4  # absolute, float32: what outputs may differ by, and how near two logits are when they count as a tie


@dataclass(frozen=True)
class Difference:
    """A test image that frameworks read differently; `gap` is the widest that any sees between its two best answers."""

    index: int
    label: int
    read_as: dict[str, int]
    gap: float

    @property
    def tie(self) -> bool:
        return self.gap < LOGITS


@dataclass(frozen=True)
class Agreement:
    """Correct answers of each framework on `images` images, its largest deviation from the first, and what differs."""

    images: int
    correct: dict[str, int]
    deviation: dict[str, float]
    differences: list[Difference]

    @property
    def agreed(self) -> bool:
        return all(difference.tie for difference in self.differences)


def agreement(outputs: Mapping[str, Array], labels: Array, loss: str) -> Agreement:
    """Compare outputs (N, K) by framework on images with these labels (N,); `loss` says how outputs are read."""
    read_as = {name: readings(found.astype(np.float64), labels, loss)[0] for name, found in outputs.items()}
    answers, widest = np.stack(list(read_as.values())), np.stack([_gaps(found, loss) for found in outputs.values()])
    differences = [
        Difference(
            int(index), int(labels[index]), {name: int(found[index]) for name, found in read_as.items()},
            float(widest[:, index].max()),
        )
        for index in np.flatnonzero((answers != answers[0]).any(axis=0))
    ]  # fmt: skip
    correct = {name: int((found == labels).sum()) for name, found in read_as.items()}
    first = next(iter(outputs.values()))
    return Agreement(
        len(labels), correct, {name: largest_deviation(found, first) for name, found in outputs.items()}, differences
    )


def _gaps(outputs: Array, loss: str) -> Array:
    """Return (N,) how much better the best answer is than the next: of two logits, or of distances to whole numbers."""
    values = outputs.astype(np.float64)
    if loss == "mean_squared_error":
        gap: Array = 1 - 2 * np.abs(values[:, 0] - np.rint(values[:, 0]))
        return gap
    best = np.partition(values, -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def largest_deviation(found: Array, expected: Array) -> float:
    """Return the largest difference; infinite if anything is not finite or missing."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
