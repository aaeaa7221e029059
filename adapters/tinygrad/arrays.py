"""What layers are given and give: the arrays of a network in order, how gradients come back, and their sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinygrad import Tensor

Pullback = Callable[[Tensor], tuple[Tensor, list[Tensor]]]  # of an output's gradient: the input's, the parameters'


class Arrays:
    """What layers take one after another: parameters, and of a BatchNorm its statistics in an evaluation.

    In training there are none to take, and `found` gets the batch's mean and variance instead.
    """

    def __init__(self, parameters: Sequence[Tensor], statistics: Sequence[Tensor] | None) -> None:
        self.parameters = iter(parameters)
        self.statistics = None if statistics is None else iter(statistics)
        self.found: list[Tensor] = []


def total(x: Tensor, kept: int) -> Tensor:
    """Return the sum over all axes but `kept`, first within each image: in one go float32 loses two digits more."""
    inner = tuple(axis for axis in range(1, x.ndim) if axis != kept)
    return (x.sum(inner).contiguous() if inner else x).sum(0)
