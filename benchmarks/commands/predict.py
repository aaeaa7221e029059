"""`predict`: what digit is in a picture?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from benchmarks import environments, half_blocks, predict, saved
from benchmarks.commands.terminal import Axis, Pythons, out, say
from benchmarks.console import plain
from benchmarks.devices import chosen
from benchmarks.options import chosen_frameworks

WORDS = {"seen": "as MNIST has it", "naive": "merely made 28x28"}


def predict_digits(
    images: Annotated[list[str], typer.Argument(help="PNG or JPEG files; - is stdin", metavar="IMAGE...")],
    weights: Annotated[Path, typer.Option(help="a folder that `train --save` made")],
    framework: Axis = None,
    naive: Annotated[bool, typer.Option("--naive", help="also merely made 28x28, as tutorials do")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="digits in plain characters")] = False,
    device: Annotated[str, typer.Option()] = "cpu",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
) -> None:
    """Read the digit in each picture with saved weights, in every framework; show what the network sees of it.

    Any size, colour, dark on light or light on dark. Exit code: 0 all read, 1 a picture or a framework failed, 2 no
    picture could be read, usage or data.
    """
    environments.give(python or [])
    [place] = chosen([device])
    frameworks = chosen_frameworks(None if framework == ["all"] else framework, [place])
    kept = saved.read(weights)
    pictures = [predict.picture(name, naive) for name in images]
    for problem in (found.problem for found in pictures if found.problem):
        say(problem)
    lost = predict.predict(pictures, kept, frameworks, place, say)
    good = [found for found in pictures if not found.problem]
    if as_json:
        print(json.dumps([found.as_json() for found in pictures], indent=1))  # noqa: T201
    else:
        for found in good:
            show(found, ascii_only or out.color_system is None)
    raise typer.Exit(2 if not good else 1 if lost or len(good) < len(pictures) else 0)


def show(found: predict.Picture, plainly: bool) -> None:
    """Print one picture's digit and who reads it as what."""
    out.print(plain(found.name), markup=False, highlight=False, soft_wrap=True)
    draw = half_blocks.ascii_art if plainly else half_blocks.blocks
    out.print(draw(list(found.views.values())), end="", soft_wrap=True)
    table = Table("framework", *(WORDS[view] for view in found.views))
    for framework, read in found.read.items():
        table.add_row(framework, *(ranking(read[view]) for view in found.views))
    out.print(table)


def ranking(shares: list[float]) -> str:
    """Return the three most probable digits in a few words."""
    return "   ".join(f"{which} {100 * share:.1f} %" for which, share in predict.best(shares))
