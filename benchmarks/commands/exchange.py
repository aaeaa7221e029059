"""`exchange`: weights trained in one framework, evaluated in the others."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import exchange, tables, turn
from benchmarks.agreement import LOGITS
from benchmarks.cells import Axes, expand
from benchmarks.commands.data import prepared
from benchmarks.commands.terminal import Axis, Wait, out, say
from benchmarks.devices import chosen
from benchmarks.frameworks import probe_all
from benchmarks.machine import physical_cpus
from benchmarks.options import chosen_frameworks, chosen_recipes


def exchange_weights(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: mlp, lenet")] = None,
    recipe: Axis = None,
    device: Annotated[str, typer.Option()] = "cpu",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="keep the safetensors files here")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    wait: Wait = True,
) -> None:
    """Train in each framework, evaluate its weights in every other. Exit code 1 when logits differ by 1e-4 or more."""
    [place] = chosen([device])
    frameworks = chosen_frameworks(framework, [place])
    data = prepared(dataset, data_dir)
    cores, recipes, pairs = len(physical_cpus()), chosen_recipes(model, recipe), []
    axes = Axes(frameworks, recipes, [data.name], [place], [None], [None], ["float32"], [cores])
    with (
        turn.taken(f"exchanges weights of {', '.join(recipes)} in {', '.join(frameworks)}", wait, say),
        tempfile.TemporaryDirectory(prefix="lockstep-") as scratch,
    ):
        probes = probe_all(frameworks, [place])
        cells = expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
        folder = out_dir or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in axes.recipes:
            mine = [cell for cell in cells if cell.recipe == name]
            inputs = Path(tempfile.mkdtemp(dir=scratch))
            pairs += exchange.exchange(mine, data, epochs, seed, folder, inputs, say)
    if as_json:
        print(json.dumps([vars(pair) for pair in pairs], indent=1))  # noqa: T201
    else:
        for table in tables.exchanged(pairs):
            out.print(table)
    raise typer.Exit(0 if all(pair.deviation < LOGITS for pair in pairs) else 1)
