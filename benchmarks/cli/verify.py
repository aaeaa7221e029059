"""`verify`: do frameworks compute the same, step by step, with weights that were trained, and with each other's?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES, INPUTS
from adapters.recipes import MODELS
from benchmarks import files
from benchmarks.cli import options, tables, terminal
from benchmarks.cli.display import Display
from benchmarks.cli.options import length, what
from benchmarks.cli.terminal import deliver, err, prepared, say
from benchmarks.errors import UsageError
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.proof import STEPS, Gate, Proof, Wanted, unproven
from benchmarks.machine import environments, lock
from benchmarks.machine.hardware import chosen
from benchmarks.models import checkpoint, evaluate
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.models.evaluate import Evaluation, Pair
from benchmarks.models.remote import LOGITS
from benchmarks.plan import fit
from benchmarks.plan.cells import Axes, Cell, expand
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.typed import chosen_modes, chosen_recipes, only, values
from benchmarks.record.schema import VERIFIED

trained, exchanged = map(options.group, ("With FOLDER", "With --exchange"))
_STEPS, _NETWORK = ("mode", "dtype", "input", "steps", "fresh_proof"), ("model", "recipe", "seed")
NOT_OF = {  # options that mean nothing there
    "with FOLDER": (*_STEPS, *_NETWORK, "exchange", "epochs", "out"),
    "with --exchange": (*_STEPS, "native"),
    "without FOLDER and --exchange": ("native", "epochs", "out"),
}


def verify(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help="A folder of `train --save`.")] = None,
    exchange: Annotated[
        bool, what("Train in each framework, and hand its weights to the others.", name="--exchange")
    ] = False,
    framework: options.Frameworks = None,
    model: Annotated[
        options.Names, what(f"Networks: {options.NETWORKS}. Default: all; with --exchange mlp, lenet.", "NAME,...")
    ] = None,
    recipe: options.Recipes = None,
    mode: options.Modes = None,
    dtype: Annotated[options.Names, what(f"{', '.join(DTYPES)}. Default: float64.", "NAME,...")] = None,
    input: options.Inputs = None,
    dataset: Annotated[
        str | None, what(f"{options.SETS}. Default: mnist-5k; with FOLDER what it was trained on.", "NAME")
    ] = None,
    data_dir: options.DataDir = None,
    seed: options.Seed = 0,
    steps: Annotated[int, length("Steps of the float64 run.", "N", min=1, max=1_000_000)] = STEPS,
    fresh_proof: options.FreshProof = False,
    device: options.Devices = None,
    python: options.Pythons = None,
    wait: options.Wait = True,
    native: Annotated[
        bool, trained("Also write each framework's own files, load them, and evaluate those.", name="--native")
    ] = False,
    epochs: Annotated[int, exchanged("Epochs to train in each framework.", "N", min=1)] = 1,
    out: Annotated[Path | None, exchanged("Keep the weights here, as safetensors files.", "DIR")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Verify that frameworks compute the same: step by step, with saved weights, or with each other's.

    Each step is held to the reference network, which is NumPy's in float64. With FOLDER, every framework reads the test
    images with these saved weights, and the answers are compared image by image; files of the folder that could run
    code are never loaded. With --exchange, each framework's weights are evaluated in every other, and the logits are
    compared.

    Exit code: 0 verified (also in float32 only, where a framework has no float64), 1 something deviates or a framework
    failed, 2 usage or data, 75 another process measures (with --no-wait).
    """
    _refuse(ctx, "with FOLDER" if folder else "with --exchange" if exchange else "without FOLDER and --exchange")
    environments.override_interpreters(python or [])
    devices = chosen(device)
    if folder or exchange:
        only(devices, "--device")
    frameworks = chosen_frameworks(None if framework == ["all"] else framework, devices)
    if folder:
        kept = checkpoint.read_checkpoint(folder)
        data = prepared(evaluate.trained_on(kept) if dataset is None else dataset, data_dir)
        fit.check([kept.recipe.name], [data])
        found = _evaluated(kept, frameworks, devices[0], data, native, wait)
        deliver(found.as_json(), tables.evaluated(found), as_json)
        raise typer.Exit(0 if found.agreement.agreed else 1)
    data = prepared("mnist-5k" if dataset is None else dataset, data_dir)
    recipes = chosen_recipes(model, recipe) if model or recipe or exchange else chosen_recipes(list(MODELS), None)
    fit.check(recipes, [data])
    count = environments.common_threads(frameworks)
    axes = Axes(frameworks, recipes, [data.name], devices, [None], [None], ["float32"], [count])
    if exchange:
        pairs = _exchanged(axes, data, epochs, seed, out, wait)
        deliver([vars(pair) for pair in pairs], tables.exchanged(pairs), as_json)
        raise typer.Exit(0 if all(pair.deviation < LOGITS for pair in pairs) else 1)
    dtypes, inputs = values(dtype, ["float64"], DTYPES, "dtype"), values(input, ["preloaded"], INPUTS, "input")
    axes = replace(axes, modes=chosen_modes(mode), dtypes=dtypes, inputs=inputs)
    proofs = _proven(axes, data, seed, steps, fresh_proof, wait, or_float32=dtype is None)
    deliver(
        [{**vars(cell), **vars(proof)} for cell, proof in proofs],
        tables.deviations(proofs, terminal.out.width),
        as_json,
    )
    raise typer.Exit(0 if all(proof.lockstep in VERIFIED for _, proof in proofs) else 1)


def _refuse(ctx: typer.Context, how: str) -> None:
    """Raise UsageError for an option that was typed and means nothing here."""
    for name in NOT_OF[how]:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} means nothing {how}; leave it out (verify --help has groups)")


def _proven(
    axes: Axes, data: Prepared, seed: int, steps: int, fresh: bool, wait: bool, or_float32: bool
) -> list[tuple[Cell, Proof]]:
    """Return every cell with its proof, that of float32 where there is no other and `or_float32`; show the progress."""
    words = f"the lockstep gate, {', '.join(axes.recipes)} in {', '.join(axes.frameworks)}"
    with lock.machine_lock(words, wait, say):
        probes = probe_all(axes.frameworks, axes.devices)
        cells = expand(axes, probes)
        if or_float32:
            cells = list(dict.fromkeys(_in_a_dtype(cell, probes[cell.framework, cell.device]) for cell in cells))
        display = Display(err)
        found, wanted = {}, []
        for cell in cells:
            probe = probes[cell.framework, cell.device]
            if reason := probe.problem or probe.refusal(cell):
                found[cell] = unproven(reason)
            else:
                wanted.append(Wanted(cell, data, probe.kernels))
        display.step(0, len(wanted), "proving")
        for number, (one, proof) in enumerate(Gate(seed, steps, fresh).proofs(wanted), 1):
            display.proof(number, len(wanted), one.cell, proof)
            found[one.cell] = proof
        display.close()
    return [(cell, found[cell]) for cell in cells]


def _in_a_dtype(cell: Cell, probe: Probe) -> Cell:
    """Return the cell, in float32 where its framework has that and not the cell's own dtype."""
    lacks, has = (probe.unsupported(cell.mode, dtype, cell.input) for dtype in (cell.dtype, "float32"))
    return replace(cell, dtype="float32") if lacks and not has else cell


def _evaluated(
    kept: Checkpoint, frameworks: Sequence[str], device: str, data: Prepared, native: bool, wait: bool
) -> Evaluation:
    """Return what each framework makes of saved weights."""
    with (
        lock.machine_lock(f"evaluates {kept.recipe.name} in {', '.join(frameworks)}", wait, say),
        files.scratch() as scratch,
    ):
        return evaluate.evaluate(kept, frameworks, device, data, scratch, native, say)


def _exchanged(axes: Axes, data: Prepared, epochs: int, seed: int, out: Path | None, wait: bool) -> list[Pair]:
    """Return what each framework makes of the weights that another has trained, for each recipe."""
    with (
        lock.machine_lock(f"exchanges weights of {', '.join(axes.recipes)} in {', '.join(axes.frameworks)}", wait, say),
        files.scratch() as scratch,
    ):
        cells, pairs = expand(axes, probe_all(axes.frameworks, axes.devices)), []
        folder = out or scratch
        folder.mkdir(parents=True, exist_ok=True)
        for name in axes.recipes:
            mine = [cell for cell in cells if cell.recipe == name]
            inputs = Path(tempfile.mkdtemp(dir=scratch))
            pairs += evaluate.exchange(mine, data, epochs, seed, folder, inputs, say)
    return pairs
