"""`evaluate`: do all frameworks read the same digits with the same weights?"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import environments, evaluating, saved, tables, turn
from benchmarks.commands.data import prepared
from benchmarks.commands.terminal import Axis, Pythons, Wait, out, say
from benchmarks.devices import chosen
from benchmarks.options import chosen_frameworks


def evaluate_saved(
    folder: Annotated[Path, typer.Argument(help="a folder that `train --save` made")],
    framework: Axis = None,
    dataset: Annotated[str | None, typer.Option(help="default: the one it was trained on")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    device: Annotated[str, typer.Option()] = "cpu",
    native: Annotated[bool, typer.Option("--native", help="also through files of each framework's own")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Evaluate saved weights in every framework on the test images, and compare image by image.

    --native writes each framework's own files anew and loads those: files of the folder are never loaded. Exit code: 0
    all agree, 1 an image is read differently though it is no tie, or a framework failed, 2 usage or data, 75
    another process measures (with --no-wait).
    """
    environments.give(python or [])
    [place] = chosen([device])
    frameworks = chosen_frameworks(None if framework == ["all"] else framework, [place])
    kept = saved.read(folder)
    data = prepared(evaluating.trained_on(kept) if dataset is None else dataset, data_dir)
    with (
        turn.taken(f"evaluates {kept.recipe.name} in {', '.join(frameworks)}", wait, say),
        tempfile.TemporaryDirectory(prefix="lockstep-") as scratch,
    ):
        found = evaluating.evaluate(kept, frameworks, place, data, Path(scratch), native, say)
    if as_json:
        print(json.dumps(found.as_json(), indent=1))  # noqa: T201
    else:
        for part in tables.evaluated(found):
            out.print(part)
    raise typer.Exit(0 if found.agreement.agreed else 1)
