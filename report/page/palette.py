"""How each framework looks, everywhere: a colour, a marker and a line style, fixed in this one place.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart by colour-blind readers; marker and line
style say the same without colour. NumPy, the reference, is black, which the page draws in the colour of its text.
"""

from __future__ import annotations

from dataclasses import dataclass

BLACK = "#000000"


@dataclass(frozen=True)
class Look:
    """A colour (sRGB), a marker and a line style in matplotlib's notation, and the marker as a character."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    sign: str


LOOKS = {
    "torch": Look("#D55E00", "o", "-", "●"),
    "tensorflow": Look("#E69F00", "s", (0, (6, 1.5)), "■"),
    "paddle": Look("#0072B2", "^", (0, (4, 1.5, 1, 1.5)), "▲"),
    "mxnet": Look("#009E73", "D", (0, (2, 1)), "◆"),
    "jax": Look("#CC79A7", "v", (0, (8, 1.5, 2, 1.5)), "▼"),
    "numpy": Look(BLACK, "P", (0, (1, 1.2)), "✚"),
}
OTHER = Look("#56B4E9", "X", "-", "✖")  # a framework this version does not know
PARTS = (  # of one launch: four of getting ready, two first calls, three of work
    "#2b4a7a", "#4f86c6", "#93bbe3", "#cadcf0", "#7b3f61", "#c58fae", "#8a6d1d", "#e0b93f", "#f2e0a0",
)  # fmt: skip


def look(framework: str) -> Look:
    """Return how a framework is drawn; all that are not known look alike."""
    return LOOKS.get(framework, OTHER)
