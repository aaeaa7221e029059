"""`lockstep`: the gate alone, nothing timed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES, INPUTS
from adapters.recipes import MODELS
from benchmarks.cli import tables
from benchmarks.cli.display import Display
from benchmarks.cli.terminal import Axis, Pythons, Wait, deliver, err, prepared, say
from benchmarks.launch.probe import chosen_frameworks, probe_all
from benchmarks.launch.proof import STEPS, Proof, cached_proof, unproven
from benchmarks.machine import environments, lock
from benchmarks.machine.hardware import chosen, physical_cpus
from benchmarks.plan.cells import Axes, Cell, expand
from benchmarks.plan.data.prepared import Prepared
from benchmarks.plan.typed import chosen_modes, chosen_recipes, values


def lockstep(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: all eight")] = None,
    recipe: Axis = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="default float64")] = None,
    device: Axis = None,
    input: Annotated[list[str] | None, typer.Option(help="preloaded (default), host")] = None,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="steps of the float64 run")] = STEPS,
    dataset: Annotated[str, typer.Option()] = "mnist-5k",
    data_dir: Annotated[Path | None, typer.Option(help="folder with the data set's files")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    fresh_proof: Annotated[bool, typer.Option("--fresh-proof", help="prove again what has a kept proof")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Run the gate alone: deviation from the reference network by step. Exit code 1 when one does not pass."""
    environments.override_interpreters(python or [])
    devices = chosen(device)
    frameworks = chosen_frameworks(framework, devices)
    recipes = chosen_recipes(model, recipe) if model or recipe else list(MODELS)
    data = prepared(dataset, data_dir)
    dtypes, cores = values(dtype, ["float64"], DTYPES, "dtype"), len(physical_cpus())
    inputs = values(input, ["preloaded"], INPUTS, "input")
    axes = Axes(frameworks, recipes, [data.name], devices, [None], chosen_modes(mode), dtypes, [cores], inputs)
    with lock.machine_lock(f"the lockstep gate, {', '.join(recipes)} in {', '.join(frameworks)}", wait, say):
        found = _proven(axes, data, seed, steps, fresh_proof)
    deliver([{**vars(cell), **vars(proof)} for cell, proof in found], [tables.deviations(found)], as_json)
    raise typer.Exit(0 if all(proof.lockstep == "pass" for _, proof in found) else 1)


def _proven(axes: Axes, data: Prepared, seed: int, steps: int, fresh: bool) -> list[tuple[Cell, Proof]]:
    """Return every cell with its proof; show the progress."""
    probes = probe_all(axes.frameworks, axes.devices)
    cells = expand(axes, probes)
    display = Display(err)
    found = []
    for number, cell in enumerate(cells):
        probe = probes[cell.framework, cell.device]
        reason = probe.problem or probe.unsupported(cell.mode, cell.dtype, cell.input)
        display.proof(number, len(cells), cell, None)
        proof = unproven(reason) if reason else cached_proof(cell, data, seed, steps, fresh)
        display.proof(number + 1, len(cells), cell, proof)
        found.append((cell, proof))
    display.close()
    return found
