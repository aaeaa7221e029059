"""Keras over torch, which trains op by op unless it is told to compile."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

os.environ["KERAS_BACKEND"] = "torch"  # keras reads it when it is imported
import keras
import numpy as np
import numpy.typing as npt
import torch

from adapters.contract import Array
from adapters.torch import TorchAdapter
from adapters.wrappers.keras import KerasFit


class KerasOnTorch(KerasFit):
    """Keras's own default over torch, jit_compile=False, is the mode eager."""

    framework = "torch"
    version = torch.__version__
    lacks: ClassVar = {
        "compiled": "over torch Keras compiles nothing by default: jit_compile is False there",
        "fused": "over torch Keras's steps_per_execution must be 1",
    }

    # What there is

    @classmethod
    def kernels(cls) -> str:
        return TorchAdapter.kernels()

    @classmethod
    def set_threads(cls, threads: int) -> int:
        return TorchAdapter.set_threads(threads)

    # The work

    def synchronise(self, pending: object = None) -> None:
        """Wait for nothing: on a CPU an operation returns when it is done."""

    # Own helpers

    def make_network(self, layers: list[Any]) -> keras.Sequential:
        self.seen: list[torch.Tensor] = []
        return Network(layers, self.seen.append)

    def fit(self, steps: int, **given: Any) -> npt.NDArray[np.float64]:
        self.seen.clear()
        self.network.fit(**given, epochs=1, verbose=0, shuffle=False)
        return np.array([float(loss) for loss in self.seen[-steps:]])  # the first fit asks once more, without data

    def slopes(self, images: Array, labels: Array) -> list[Array]:
        x, y = torch.from_numpy(images), torch.from_numpy(labels)
        self.network.zero_grad()
        self.network.compute_loss(x, y, self.network(x, training=True)).backward()
        found = [variable.value.grad.numpy().copy() for variable in self.network.trainable_variables]
        self.network.zero_grad()
        return found


class Network(keras.Sequential):
    """Notes each step's loss: what fit tells over torch is rounded to float32 (keras/src/backend/torch/numpy.py)."""

    def __init__(self, layers: list[Any], note: Callable[[torch.Tensor], None]) -> None:
        super().__init__(layers)
        self.note = note

    def compute_loss(self, *given: Any, **named: Any) -> torch.Tensor:
        """Return the loss of a batch, as fit asks for it."""
        loss = super().compute_loss(*given, **named)
        self.note(loss.detach())
        return loss
