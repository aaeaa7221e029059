"""Keras over jax: one jitted step."""

from __future__ import annotations

import os
from typing import Any, ClassVar

os.environ["KERAS_BACKEND"] = "jax"  # keras reads it when it is imported
import jax

from adapters.contract import Array
from adapters.declaration import Model
from adapters.jax import JaxAdapter
from adapters.wrappers.keras import KerasFit


class KerasOnJax(KerasFit):
    """Compiled is Keras's own default: its step, state in and state out, through jax.jit."""

    framework = "jax"
    version = jax.__version__
    lacks: ClassVar = {"fused": "with steps_per_execution Keras shows no single step's loss, which a proof needs"}

    # What there is

    @classmethod
    def set_threads(cls, threads: int) -> int:
        return JaxAdapter.set_threads(threads)

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        return "compiled"

    # The network

    def build(self) -> None:
        super().build()
        slopes = jax.grad(self.loss_at)
        self.differentiate = slopes if self.mode == "eager" else jax.jit(slopes)

    # The work

    def synchronise(self, pending: Any = None) -> None:
        jax.block_until_ready(([variable.value for variable in self.network.variables], pending))

    # Own helpers

    def slopes(self, images: Array, labels: Array) -> list[Array]:
        values = [variable.value for variable in self.network.trainable_variables]
        return [jax.device_get(slope) for slope in self.differentiate(values, images, labels)]

    def loss_at(self, values: list[Any], images: Any, labels: Any) -> Any:
        outputs, _ = self.network.stateless_call(values, [], images, training=True)
        return self.network.compute_loss(images, labels, outputs)
