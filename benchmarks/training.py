"""Training on one stack of batches through either pipeline, for what proves and learns; nothing here is timed.

Runs inside a framework's environment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Adapter, Feed

Array = npt.NDArray[Any]


class Training:
    """Steps on the batches of a stack in order, wrapping round; use with contextlib.closing.

    images (S, B, C, H, W) in the adapter's dtype, labels (S, B) int64.
    """

    def __init__(self, adapter: Adapter, images: Array, labels: Array, pipeline: str) -> None:
        self.adapter, self.taken = adapter, 0
        self.batches = feed(adapter, images, labels) if pipeline == "host" else adapter.put(images, labels)

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


def feed(adapter: Adapter, images: Array, labels: Array) -> Feed:
    """Feed a stack's batches; in memory the samples lie the other way round, so that the order decides something."""
    samples = np.ascontiguousarray(images.reshape(-1, *images.shape[2:])[::-1])
    order = np.arange(labels.size)[::-1].reshape(labels.shape)
    return adapter.feed(samples, np.ascontiguousarray(labels.reshape(-1)[::-1]), order)
