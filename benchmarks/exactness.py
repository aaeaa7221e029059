"""Whether narrow operands were really narrow: what is computed in float32 after all has no speed as bfloat16.

Whoever ignores the precision is nearer to the oracle than any bound asks, so there is a least deviation, too. Rounding
an operand is off by up to half an epsilon, and a product of many such operands by a share of it that no average takes
away: of the norm of gradients, of the weights' change by a step and of what outputs owe to the image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.bounds import EPSILON

Array = npt.NDArray[Any]
HUGE = 1e300  # stands for what is not finite, which JSON cannot say
# Narrow types a cell insists on. TF32 is a permission: a library may find float32 faster for a small product.
INSISTS = ("bfloat16", "float16")
SHARE = 1 / 32  # of epsilon. float32 stays below: for float16 this is 3e-5, and its gradients' bound is 1e-5


def relative(found: Array, expected: Array) -> float:
    """Return the norm of the difference over the norm of what was expected; HUGE if anything is not finite."""
    if not np.isfinite(found).all():
        return HUGE
    scale = float(np.linalg.norm(expected))
    difference = float(np.linalg.norm(np.asarray(found, np.float64) - expected))
    return difference / scale if scale else difference


@dataclass
class Exactness:
    """The largest relative deviation seen of each kind of result, in a precision."""

    precision: str
    largest: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, found: Array, expected: Array) -> None:
        """Take in one more result of a kind."""
        self.largest[kind] = max(self.largest.get(kind, 0.0), relative(found, expected))

    def complaint(self) -> str:
        """Return which results no narrow operands can have made, empty where there are none."""
        least = SHARE * EPSILON[self.precision] if self.precision in INSISTS else 0.0
        for kind, deviation in self.largest.items():
            if deviation < least:
                return (
                    f"{self.precision} {kind} deviate by no more than {deviation:.1e}, where operands rounded to it "
                    f"make at least {least:.0e}: are they computed in float32?"
                )
        return ""
