"""What layers are given and give: the arrays of a network in order, how gradients come back, and their sums."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad import Tensor

Pullback = Callable[[Tensor], tuple[Tensor, list[Tensor]]]  # of an output's gradient: the input's, the parameters'


def total(x: Tensor, kept: int) -> Tensor:
    """Return the sum over all axes but `kept`, first within each image: in one go float32 loses two digits more."""
    inner = tuple(axis for axis in range(1, x.ndim) if axis != kept)
    return (x.sum(inner).contiguous() if inner else x).sum(0)
