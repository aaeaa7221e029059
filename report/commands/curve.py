"""`curve`: the curves of one training, beside the weights that it left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from report import curve


def curve_of(folder: Annotated[Path, typer.Argument(help="a folder that `benchmarks train --save` made")]) -> None:
    """Draw loss and accuracy by epoch into the folder's curves.svg, from its model card."""
    print(curve.draw(folder))  # noqa: T201
