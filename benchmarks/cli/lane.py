"""`lane`: everything that a machine with a GPU is asked in one go, for one that is lent for minutes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.checks import lane
from benchmarks.cli.terminal import Pythons, out
from benchmarks.machine import environments


def ask_everything(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="folder for rows, outputs and the page")],
    device: Annotated[str, typer.Option()] = "gpu",
    python: Pythons = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder with MNIST's files; default: mnist-5k")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="all of it never takes longer")] = lane.SECONDS,
    small: Annotated[bool, typer.Option("--small", hidden=True)] = False,
) -> None:
    """Ask a machine everything in one go: devices, gate, peak, sweeps and the page, into one folder.

    Frameworks are those of --python, else numpy. Exit code 1 when a part was ended early or could not run at all; a
    mode that is unsupported or a gate that fails is in the part's own output.
    """
    environments.override_interpreters(python or [])
    asked = lane.Lane(folder.absolute(), device, python or [], data_dir and data_dir.absolute(), seconds, small)
    ended = []
    for part in lane.run(asked, lane.parts(asked)):
        out.print(json.dumps(part), markup=False, highlight=False, soft_wrap=True)
        ended.append(part["exit_code"])
    raise typer.Exit(0 if all(code in (0, 1) for code in ended) else 1)
