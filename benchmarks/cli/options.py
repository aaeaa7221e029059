"""Options that several commands share, and the groups in which --help shows all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.contract import DTYPES
from adapters.recipes import HEADLINE, MODELS, MODERN, OURS
from adapters.registry import FRAMEWORKS, default_frameworks
from benchmarks.machine.environments import ROOT
from benchmarks.plan.data.sources import ORIGINS
from benchmarks.plan.typed import MODE_NAMES


def group(heading: str) -> Callable[..., Any]:
    """Return a maker of options that stand under a heading.

    It takes what the option means, what stands for its value, and its name where that is not the parameter's.
    """

    def option(words: str, metavar: str | None = None, name: str = "", **others: Any) -> Any:
        return typer.Option(*[name] * bool(name), help=words, rich_help_panel=heading, metavar=metavar, **others)

    return option


what, length, where, cluster = map(group, ("What", "How long", "Where", "Several machines"))
Names = list[str] | None  # given repeatedly, or once with commas
SETS = f"mnist-5k, {', '.join(ORIGINS)}, or the path of your own"
RESULTS = ROOT / "results"

Frameworks = Annotated[
    Names,
    what(
        f"{', '.join(FRAMEWORKS)}; jax@0.7.2: that release; jax@keras-fit: a wrapper (docs/compare.md). "
        f"Default: {', '.join(default_frameworks())}.",
        "NAME,...",
    ),
]
NETWORKS = f"{', '.join(MODELS)}; modern: {', '.join(MODERN)}; or a FILE.toml of your own (docs/networks.md)"
Models = Annotated[Names, what(f"Networks: {NETWORKS}. Default: {', '.join(HEADLINE)}.", "NAME,...")]
Recipes = Annotated[
    Names, what(f"In place of --model, with its own settings: {', '.join(OURS)}, FILE.toml.", "NAME,...")
]
BatchSizes = Annotated[Names, what("Images in a batch. Default: 100; of a recipe its own.", "N,...")]
Modes = Annotated[
    Names, what(f"{', '.join(MODE_NAMES)}. Default: recommended, what an expert would choose.", "NAME,...")
]
Dtypes = Annotated[Names, what(f"{', '.join(DTYPES)}. Default: float32.", "NAME,...")]
Inputs = Annotated[
    Names, what("preloaded: batches lie on the device. host: they are fed from memory. Default: preloaded.", "NAME,...")
]
Dataset = Annotated[str, what(f"{SETS}.", "NAME")]
DataDir = Annotated[Path | None, what(f"Folder with the files of {' or '.join(ORIGINS)}.", "DIR")]
Seed = Annotated[int, what("Of the initial weights and of the order of batches.", "N", min=0)]
FreshProof = Annotated[bool, length("Prove again what has a kept proof.", name="--fresh-proof")]
Devices = Annotated[Names, where("cpu, gpu, gpu:1 (the second card), or all. Default: cpu.", "NAME,...")]
Device = Annotated[str, where("cpu, gpu, or gpu:1 (the second card).", "NAME")]
Threads = Annotated[Names, where("Of a process. Default: all physical cores, up to the CPU quota.", "N,...")]
Pythons = Annotated[
    Names, where("An interpreter in place of the environment that tox makes; also jax@mine=PATH.", "FRAMEWORK=PATH")
]
Results = Annotated[Path, where("Folder that rows are kept in.", "DIR", show_default="results/")]
Wait = Annotated[
    bool, where("While another process measures here: wait, or end with exit code 75.", name="--wait/--no-wait")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
