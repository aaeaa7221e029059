"""The commands about trained networks: each makes a checkpoint or reads one.

train    train one network in one framework and save it
predict  which digit is in a picture?
demo     a page to draw on, where every framework answers while one draws

`verify FOLDER` asks whether all frameworks read the same digits with the same weights.
"""

from __future__ import annotations

import contextlib
import json
import signal
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from adapters.contract import DTYPES
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from benchmarks.cli import options, tables
from benchmarks.cli.options import length, what, where
from benchmarks.cli.terminal import out, prepared, say
from benchmarks.errors import EnvironmentMissing, UsageError, plain, require, shown
from benchmarks.launch.probe import Probe, chosen_frameworks, probe, with_packages
from benchmarks.machine import environments, lock
from benchmarks.machine.hardware import chosen, chosen_threads
from benchmarks.machine.signals import Interrupted
from benchmarks.models import checkpoint, predict, train
from benchmarks.plan import fit
from benchmarks.plan.cells import Cell
from benchmarks.plan.data import size
from benchmarks.plan.typed import MODE_NAMES, chosen_modes, chosen_recipes, is_loopback, only, values


def train_and_save(
    save: Annotated[Path, where("The folder to make.", "DIR")],
    framework: Annotated[str, what(f"{', '.join(FRAMEWORKS)}.", "NAME")] = next(iter(FRAMEWORKS)),
    model: Annotated[str | None, what(f"{options.NETWORKS}. Default: lenet.", "NAME")] = None,
    recipe: Annotated[str | None, what("Instead of --model: published settings, or a FILE.toml.", "NAME")] = None,
    dataset: options.Dataset = "mnist-5k",
    data_dir: options.DataDir = None,
    mode: Annotated[str, what(f"{', '.join(MODE_NAMES)}.", "NAME")] = "recommended",
    dtype: Annotated[str, what("Of the training; weights are kept in float32.", "NAME")] = "float32",
    native: Annotated[bool, what("Also write the framework's own files, and prove them.", name="--native")] = False,
    epochs: Annotated[int | None, length("Default: the recipe's.", "N", min=1)] = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    threads: Annotated[str | None, where("Default: all physical cores, up to the CPU quota.", "N")] = None,
    python: options.Pythons = None,
    wait: options.Wait = True,
) -> None:
    """Train one network in one framework; keep weights, model card and curves in a new folder.

    Exit code: 0 saved, 1 the framework failed, 2 usage or data, 74 the folder cannot be written, 75 another process
    measures (with --no-wait), 130, 143, 129 interrupted. The folder is made whole or not at all.
    """
    environments.override_interpreters(python or [])
    place = only(chosen([device]), "--device")
    name = only(chosen_frameworks([framework], [place]), "--framework")
    wanted = "lenet" if model is None and recipe is None else model
    settings = RECIPES[only(chosen_recipes(_listed(wanted), _listed(recipe)), "--model")]
    wanted_mode = only(chosen_modes([mode]), "--mode")
    kind = only(values([dtype], [], DTYPES, "dtype"), "--dtype")
    count = only(chosen_threads(_listed(threads), environments.common_threads([name])), "--threads")
    data = prepared(dataset, data_dir)
    fit.check([settings.name], [data])
    try:
        with checkpoint.new_folder(save) as part, lock.machine_lock(f"trains {settings.name} in {name}", wait, say):
            found = probe(name, place)
            mode = wanted_mode or found.recommended(settings.model.name, "preloaded")
            cell = Cell(name, settings.name, data.name, place, settings.batch_size, mode, kind, count)
            _check(found, cell)
            say(f"training {settings.name} in {name} on {data.name}: {cell.words()}")
            accuracy = train.save(part, cell, found, data, epochs or settings.epochs, seed, native, say)
    except Interrupted:
        say(f"nothing is saved: {shown(save)} is as it was")
        raise
    out.print(f"{shown(save)}: {100 * accuracy:.2f} % of the test images right", markup=False, soft_wrap=True)


def _listed(given: str | None) -> list[str] | None:
    """Return an option that may be given once as one that may be given often."""
    return None if given is None else [given]


def _check(found: Probe, cell: Cell) -> None:
    """Raise where a cell cannot be trained: its environment's problem, or its adapter's reason."""
    if found.problem:
        raise EnvironmentMissing(found.problem)
    if reason := found.refusal(cell):
        raise UsageError(f"{cell.framework} cannot train {cell.words()} on {cell.device}: {reason}")


def _frameworks(framework: list[str] | None, device: str) -> list[str]:
    """Return the frameworks to use on a device; `all` is the default's other name."""
    return chosen_frameworks(None if framework == ["all"] else framework, [device])


LARGEST_DRAWN = 64  # pixels: a character each on a terminal
WORDS = {"seen": "as MNIST has it", "naive": "merely made 28x28"}


def predict_digits(
    images: Annotated[list[str], typer.Argument(help="PNG or JPEG files; - is standard input.", metavar="IMAGE...")],
    weights: Annotated[Path, what("A folder that `train --save` made.", "DIR")],
    framework: options.Frameworks = None,
    naive: Annotated[bool, what("Also read it merely made 28x28, as tutorials do.", name="--naive")] = False,
    ascii_only: Annotated[bool, what("Draw digits in plain characters.", name="--ascii")] = False,
    device: options.Device = "cpu",
    python: options.Pythons = None,
    as_json: options.AsJson = False,
) -> None:
    """Read the digit in each picture with saved weights, in every framework; show what the network sees of it.

    Any size, colour, dark on light or light on dark. For a network that reads other images than 1x28x28 the picture is
    resized, and the class is read. Exit code: 0 all read, 1 a picture or a framework failed, 2 no
    picture could be read, usage or data.
    """
    environments.override_interpreters(python or [])
    place = only(chosen([device]), "--device")
    frameworks = _frameworks(framework, place)
    kept = checkpoint.read_checkpoint(weights)
    model = kept.recipe.model
    predict.check(model, naive)
    pictures = [predict.picture(name, model, naive) for name in images]
    for problem in (found.problem for found in pictures if found.problem):
        say(problem)
    lost = predict.predict(pictures, kept, frameworks, place, say)
    good = [found for found in pictures if not found.problem]
    if as_json:
        print(json.dumps([found.as_json() for found in pictures], indent=1))  # noqa: T201
    else:
        for found in good:
            _show(found, model.input_shape, kept.class_names, ascii_only or out.color_system is None)
    raise typer.Exit(2 if not good else 1 if lost or len(good) < len(pictures) else 0)


def _show(found: predict.Picture, shape: Sequence[int], names: Sequence[str], plainly: bool) -> None:
    """Print one picture and who reads it as what; one of a shape that fits no terminal is not drawn."""
    out.print(plain(found.name), markup=False, highlight=False, soft_wrap=True)
    if max(shape) <= LARGEST_DRAWN and shape[1] % 2 == 0:
        draw = tables.ascii_art if plainly else tables.blocks
        out.print(draw([view.mean(0).astype(np.uint8) for view in found.views.values()]), end="", soft_wrap=True)
    words = {**WORDS, "seen": f"resized to {size(shape)}"} if tuple(shape) != predict.DIGITS else WORDS
    table = Table("framework", *(words[view] for view in found.views))
    for framework, read in found.read.items():
        table.add_row(framework, *(_ranking(read[view], names) for view in found.views))
    out.print(table)


def _ranking(shares: list[float], names: Sequence[str]) -> str:
    """Return the three most probable classes in a few words."""
    ranked = [(names[which] if which < len(names) else str(which), share) for which, share in predict.best(shares)]
    return "   ".join(f"{plain(name)} {100 * share:.1f} %" for name, share in ranked)


PORT = 8765


def draw(
    weights: Annotated[
        Path | None, what("A folder that `train --save` made. Default: lenet, trained first.", "DIR")
    ] = None,
    framework: options.Frameworks = None,
    device: options.Device = "cpu",
    host: Annotated[str, where("0.0.0.0 lets everyone on the network draw.", "ADDRESS")] = "127.0.0.1",
    port: Annotated[int, where("0 for any that is free.", "N", min=0, max=65535)] = PORT,
    open_page: Annotated[bool, where("Open the page in a browser.", name="--open")] = False,
    python: options.Pythons = None,
    wait: options.Wait = True,
) -> None:
    """Serve a page to draw digits on, with each framework's probabilities while one draws; until Ctrl-C."""
    # Other commands need no server, and Pythons that were lent have none (errors.py).
    require("the demo", "starlette", "anyio", "uvicorn", "threadpoolctl", "safetensors")
    from benchmarks.models.demo import network  # noqa: PLC0415
    from benchmarks.models.demo.web import bound, page, url  # noqa: PLC0415

    environments.override_interpreters(python or [])
    place = only(chosen([device]), "--device")
    names = with_packages(_frameworks(framework, place), say)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(bound(host, port))  # before seconds of training
        saved = network(weights, names, wait, say)
        stack.enter_context(page(saved, names, place, host, listening))
        out.print(
            f"{saved.recipe.name} in {', '.join(names)}: {url(listening, host)} (Ctrl-C ends it)", highlight=False
        )
        if not is_loopback(host):
            say("everyone who reaches this machine can draw on it: there is no password")
        if open_page:
            webbrowser.open(url(listening, host))
        while True:
            signal.pause()  # until one raises Interrupted
