"""What a layer of the reference network is: forward, backward, its own buffers, its arrays.

Images travel as (C, N, H, W), tokens as (N, T, D), vectors as (N, F). With the channel in front a convolution is one
matrix product whose result needs no transposition, and the weights stay in the canonical layout. Buffers are kept from
step to step, one per shape, so that a training step allocates almost nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from adapters.declaration import Shape

Array = npt.NDArray[np.floating]


class Layer(ABC):
    """One layer: forward keeps what backward needs; backward returns the gradient of its input."""

    needs_input_gradient = True  # False where no parameter stands before it

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, Shape], Array] = {}

    def buffer(self, name: str, shape: Shape, like: Array) -> Array:
        """Return the same uninitialised array for the same name and shape, in the dtype of `like`."""
        key = (name, shape)
        if key not in self._buffers:
            self._buffers[key] = np.empty(shape, like.dtype)
        return self._buffers[key]

    def parts(self) -> Iterator[Layer]:
        """Yield the layers within it in the order of the model's places, itself the last."""
        yield self

    @abstractmethod
    def forward(self, x: Array) -> Array: ...

    @abstractmethod
    def backward(self, dy: Array) -> Array: ...


class Weighted(Layer):
    """A layer with arrays in the canonical layout: attributes by `names` and, of what is not trained, `statistics`.

    After backward there is NAME_gradient of each name; after a forward pass in training, NAME_next of each statistic.
    """

    names: tuple[str, ...] = ("weight", "bias")
    statistics: tuple[str, ...] = ()
    training = True  # whether a forward pass is a step's, or an evaluation's

    weight: Array
    bias: Array
    weight_gradient: Array
    bias_gradient: Array

    def arrays(self) -> list[Array]:
        return [getattr(self, name) for name in self.names]

    def gradients(self) -> list[Array]:
        return [getattr(self, f"{name}_gradient") for name in self.names]
