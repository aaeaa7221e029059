"""The commands about trained networks: each makes a checkpoint or reads one.

train     train one network in one framework and save it
evaluate  do all frameworks read the same digits with the same weights?
exchange  weights trained in one framework, evaluated in the others
predict   which digit is in a picture?
demo      a page to draw on, where every framework answers while one draws
"""

from __future__ import annotations

import contextlib
import json
import signal
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from adapters.contract import DTYPES
from adapters.recipes import RECIPES
from benchmarks import files
from benchmarks.cli import tables
from benchmarks.cli.terminal import AsJson, Axis, DataDir, Pythons, Wait, deliver, out, prepared, say
from benchmarks.errors import EnvironmentMissing, UsageError, plain, require, shown
from benchmarks.launch.probe import Probe, chosen_frameworks, probe, probe_all
from benchmarks.machine import environments, lock
from benchmarks.machine.hardware import chosen, chosen_threads, most_threads
from benchmarks.machine.signals import Interrupted
from benchmarks.models import checkpoint, evaluate, predict, train
from benchmarks.models.remote import LOGITS
from benchmarks.plan.cells import Axes, Cell, expand
from benchmarks.plan.typed import chosen_modes, chosen_recipes, is_loopback, values

T = TypeVar("T")


def train_and_save(
    save: Annotated[Path, typer.Option(help="the folder to make")],
    framework: Annotated[str, typer.Option()] = "torch",
    model: Annotated[str | None, typer.Option(help="default: lenet")] = None,
    recipe: Annotated[str | None, typer.Option(help="published settings")] = None,
    dataset: Annotated[str, typer.Option(help="mnist-5k, mnist, fashion-mnist, or a path")] = "mnist-5k",
    data_dir: DataDir = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="default: the recipe's")] = None,
    mode: Annotated[str, typer.Option(help="default: the adapter's recommended mode")] = "recommended",
    device: Annotated[str, typer.Option()] = "cpu",
    threads: Annotated[str | None, typer.Option(help="default: all physical cores, up to the CPU quota")] = None,
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
    environments.override_interpreters(python or [])
    place = _only(chosen([device]), "--device")
    name = _only(chosen_frameworks([framework], [place]), "--framework")
    wanted = "lenet" if model is None and recipe is None else model
    settings = RECIPES[_only(chosen_recipes(_listed(wanted), _listed(recipe)), "--model")]
    wanted_mode = _only(chosen_modes([mode]), "--mode")
    kind = _only(values([dtype], [], DTYPES, "dtype"), "--dtype")
    count = _only(chosen_threads(_listed(threads)), "--threads")
    data = prepared(dataset, data_dir)
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


def _only(found: Sequence[T], option: str) -> T:
    """Return the one value of an option; UsageError where there are more."""
    if len(found) != 1:
        raise UsageError(f"{option} {', '.join(map(str, found))}: one at a time; give one")
    return found[0]


def _check(found: Probe, cell: Cell) -> None:
    """Raise where a cell cannot be trained: its environment's problem, or its adapter's reason."""
    if found.problem:
        raise EnvironmentMissing(found.problem)
    if reason := found.unsupported(cell.mode, cell.dtype, cell.input):
        raise UsageError(f"{cell.framework} cannot train {cell.words()} on {cell.device}: {reason}")


def _frameworks(framework: list[str] | None, device: str) -> list[str]:
    """Return the frameworks to use on a device; `all` is the default's other name."""
    return chosen_frameworks(None if framework == ["all"] else framework, [device])


def evaluate_saved(
    folder: Annotated[Path, typer.Argument(help="a folder that `train --save` made")],
    framework: Axis = None,
    dataset: Annotated[str | None, typer.Option(help="default: the one it was trained on")] = None,
    data_dir: DataDir = None,
    device: Annotated[str, typer.Option()] = "cpu",
    native: Annotated[bool, typer.Option("--native", help="also through files of each framework's own")] = False,
    as_json: AsJson = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Evaluate saved weights in every framework on the test images, and compare image by image.

    --native writes each framework's own files again and loads those: files of the folder are never loaded. Exit code: 0
    all agree, 1 an image is read differently without a tie, or a framework failed, 2 usage or data, 75
    another process measures (with --no-wait).
    """
    environments.override_interpreters(python or [])
    place = _only(chosen([device]), "--device")
    frameworks = _frameworks(framework, place)
    kept = checkpoint.read_checkpoint(folder)
    data = prepared(evaluate.trained_on(kept) if dataset is None else dataset, data_dir)
    with (
        lock.machine_lock(f"evaluates {kept.recipe.name} in {', '.join(frameworks)}", wait, say),
        files.scratch() as scratch,
    ):
        found = evaluate.evaluate(kept, frameworks, place, data, scratch, native, say)
    deliver(found.as_json(), tables.evaluated(found), as_json)
    raise typer.Exit(0 if found.agreement.agreed else 1)


def exchange_weights(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: mlp, lenet")] = None,
    recipe: Axis = None,
    device: Annotated[str, typer.Option()] = "cpu",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="keep the safetensors files here")] = None,
    as_json: AsJson = False,
    wait: Wait = True,
) -> None:
    """Train in each framework, evaluate its weights in every other. Exit code 1 when logits differ by 1e-4 or more."""
    place = _only(chosen([device]), "--device")
    frameworks = chosen_frameworks(framework, [place])
    data = prepared(dataset, data_dir)
    cores, recipes, pairs = most_threads(), chosen_recipes(model, recipe), []
    axes = Axes(frameworks, recipes, [data.name], [place], [None], [None], ["float32"], [cores])
    with (
        lock.machine_lock(f"exchanges weights of {', '.join(recipes)} in {', '.join(frameworks)}", wait, say),
        files.scratch() as scratch,
    ):
        probes = probe_all(frameworks, [place])
        cells = expand(axes, probes)
        folder = out_dir or scratch
        folder.mkdir(parents=True, exist_ok=True)
        for name in axes.recipes:
            mine = [cell for cell in cells if cell.recipe == name]
            inputs = Path(tempfile.mkdtemp(dir=scratch))
            pairs += evaluate.exchange(mine, data, epochs, seed, folder, inputs, say)
    deliver([vars(pair) for pair in pairs], tables.exchanged(pairs), as_json)
    raise typer.Exit(0 if all(pair.deviation < LOGITS for pair in pairs) else 1)


WORDS = {"seen": "as MNIST has it", "naive": "merely made 28x28"}


def predict_digits(
    images: Annotated[list[str], typer.Argument(help="PNG or JPEG files; - is stdin", metavar="IMAGE...")],
    weights: Annotated[Path, typer.Option(help="a folder that `train --save` made")],
    framework: Axis = None,
    naive: Annotated[bool, typer.Option("--naive", help="also merely made 28x28, as tutorials do")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="digits in plain characters")] = False,
    device: Annotated[str, typer.Option()] = "cpu",
    as_json: AsJson = False,
    python: Pythons = None,
) -> None:
    """Read the digit in each picture with saved weights, in every framework; show what the network sees of it.

    Any size, colour, dark on light or light on dark. Exit code: 0 all read, 1 a picture or a framework failed, 2 no
    picture could be read, usage or data.
    """
    environments.override_interpreters(python or [])
    place = _only(chosen([device]), "--device")
    frameworks = _frameworks(framework, place)
    kept = checkpoint.read_checkpoint(weights)
    pictures = [predict.picture(name, naive) for name in images]
    for problem in (found.problem for found in pictures if found.problem):
        say(problem)
    lost = predict.predict(pictures, kept, frameworks, place, say)
    good = [found for found in pictures if not found.problem]
    if as_json:
        print(json.dumps([found.as_json() for found in pictures], indent=1))  # noqa: T201
    else:
        for found in good:
            _show(found, ascii_only or out.color_system is None)
    raise typer.Exit(2 if not good else 1 if lost or len(good) < len(pictures) else 0)


def _show(found: predict.Picture, plainly: bool) -> None:
    """Print one picture's digit and who reads it as what."""
    out.print(plain(found.name), markup=False, highlight=False, soft_wrap=True)
    draw = tables.ascii_art if plainly else tables.blocks
    out.print(draw(list(found.views.values())), end="", soft_wrap=True)
    table = Table("framework", *(WORDS[view] for view in found.views))
    for framework, read in found.read.items():
        table.add_row(framework, *(_ranking(read[view]) for view in found.views))
    out.print(table)


def _ranking(shares: list[float]) -> str:
    """Return the three most probable digits in a few words."""
    return "   ".join(f"{which} {100 * share:.1f} %" for which, share in predict.best(shares))


PORT = 8765


def draw(
    weights: Annotated[
        Path | None, typer.Option(help="folder of `train --save`; default: lenet, trained first")
    ] = None,
    framework: Axis = None,
    device: Annotated[str, typer.Option()] = "cpu",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one")] = PORT,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets everyone on the network draw")] = "127.0.0.1",
    open_page: Annotated[bool, typer.Option("--open", help="open the page in a browser")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Serve a page to draw digits on, with each framework's probabilities while one draws; until Ctrl-C."""
    # Other commands need no server, and Pythons that were lent have none (errors.py).
    require("the demo", "starlette", "anyio", "uvicorn", "threadpoolctl", "safetensors")
    from benchmarks.models.demo import network  # noqa: PLC0415
    from benchmarks.models.demo.web import bound, page, url  # noqa: PLC0415

    environments.override_interpreters(python or [])
    place = _only(chosen([device]), "--device")
    names = _frameworks(framework, place)
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
