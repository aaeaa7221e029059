"""A digit in the terminal: two rows of pixels a line, as half blocks in grey or as characters of rising weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.text import Text

Grey = npt.NDArray[np.uint8]
RAMP = " .:-=+*#%@"
GAP = "   "


def blocks(images: Sequence[Grey]) -> Text:
    """Return images of equal, even height side by side: a character's upper half is one row, its lower the next."""
    text = Text(no_wrap=True)
    for row in range(0, len(images[0]), 2):
        for index, image in enumerate(images):
            text.append(GAP if index else "")
            for upper, lower in zip(image[row].tolist(), image[row + 1].tolist(), strict=True):
                text.append("▀", f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})")
        text.append("\n")
    return text


def ascii_art(images: Sequence[Grey]) -> Text:
    """Return images of equal, even height side by side in plain characters, each the mean of two pixels."""
    text = Text(no_wrap=True)
    for row in range(0, len(images[0]), 2):
        means = [image[row : row + 2].mean(0) for image in images]
        text.append(GAP.join("".join(RAMP[int(mean * (len(RAMP) - 1) / 255)] for mean in line) for line in means))
        text.append("\n")
    return text
