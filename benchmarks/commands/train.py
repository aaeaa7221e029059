"""`train`: train one network in one framework and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from adapters.contract import DTYPES
from adapters.recipes import RECIPES
from benchmarks import environments, saved, saving, turn
from benchmarks.cells import Cell
from benchmarks.commands.data import prepared
from benchmarks.commands.terminal import Pythons, Wait, out, say
from benchmarks.datasets.reading import shown
from benchmarks.devices import chosen
from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.frameworks import Probe, probe
from benchmarks.interruption import Interrupted
from benchmarks.machine import physical_cpus
from benchmarks.options import chosen_frameworks, chosen_modes, chosen_recipes, numbers, values

T = TypeVar("T")


def train_and_save(
    save: Annotated[Path, typer.Option(help="the folder to make")],
    framework: Annotated[str, typer.Option()] = "torch",
    model: Annotated[str | None, typer.Option(help="default: lenet")] = None,
    recipe: Annotated[str | None, typer.Option(help="published settings")] = None,
    dataset: Annotated[str, typer.Option(help="mnist-5k, mnist, fashion-mnist, or a path")] = "mnist-5k",
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="default: the recipe's")] = None,
    mode: Annotated[str, typer.Option(help="default: the adapter's recommended mode")] = "recommended",
    device: Annotated[str, typer.Option()] = "cpu",
    threads: Annotated[str | None, typer.Option(help="default: all physical cores")] = None,
    dtype: Annotated[str, typer.Option(help="of the training; weights are kept in float32")] = "float32",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    native: Annotated[bool, typer.Option("--native", help="add the framework's own files, and prove them")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Train one network in one framework; keep weights, model card and curves in a new folder.

    Exit code: 0 saved, 1 the framework failed, 2 usage or data, 74 the folder cannot be written, 75 another process
    measures (with --no-wait), 130, 143, 129 interrupted. The folder is made whole or not at all.
    """
    environments.give(python or [])
    cores = len(physical_cpus())
    place = only(chosen([device]), "--device")
    name = only(chosen_frameworks([framework], [place]), "--framework")
    settings = RECIPES[
        only(chosen_recipes(listed("lenet" if model is None and recipe is None else model), listed(recipe)), "--model")
    ]
    asked = only(chosen_modes([mode]), "--mode")
    kind = only(values([dtype], [], DTYPES, "dtype"), "--dtype")
    count = only(numbers(listed(threads), [cores], "--threads", cores), "--threads")
    data = prepared(dataset, data_dir)
    try:
        with saved.made(save) as part, turn.taken(f"trains {settings.name} in {name}", wait, say):
            found = probe(name, place)
            best = asked or found.recommended(settings.model.name, "resident")
            cell = Cell(name, settings.name, data.name, place, settings.batch_size, best, kind, count)
            check(found, cell)
            say(f"training {settings.name} in {name} on {data.name}: {cell.words()}")
            accuracy = saving.save(part, cell, found, data, epochs or settings.epochs, seed, native, say)
    except Interrupted:
        say(f"nothing is saved: {shown(save)} is as it was")
        raise
    out.print(f"{shown(save)}: {100 * accuracy:.2f} % of the test images right", markup=False, soft_wrap=True)


def listed(given: str | None) -> list[str] | None:
    """Return an option that may be given once as one that may be given often."""
    return None if given is None else [given]


def only(found: Sequence[T], option: str) -> T:
    """Return the one value of an option; UsageError where there are more."""
    if len(found) != 1:
        raise UsageError(f"{option} {', '.join(map(str, found))}: one network is trained at a time; give one")
    return found[0]


def check(found: Probe, cell: Cell) -> None:
    """Raise where a cell cannot be trained: its environment's problem, or its adapter's reason."""
    if found.problem:
        raise EnvironmentMissing(found.problem)
    if reason := found.unsupported(cell.mode, cell.dtype, cell.pipeline):
        raise UsageError(f"{cell.framework} cannot train {cell.words()} on {cell.device}: {reason}")
