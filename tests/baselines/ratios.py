"""Compare an adapter with hand-written loops in one process: python tests/baselines/ratios.py torch --models lenet.

Run it with the python of that framework's environment and PYTHONPATH at the checkout's root. Both sides start from the
same weights and train the same network on the same batches in turn, A B then B A, so that a machine others use disturbs
both alike; only the ratio means anything. Their losses must agree after five steps, else nothing is timed.

`--against plain`: loops/NAME.py holds one or several loops a mode, each as an expert would write it; a pilot picks the
fastest and the line names it. Every loop has a process of its own: mxnet's hybridized loops leave threads behind that
slow all after them by a third. The last figure is its speed before any adapter was built: if it is far above its speed
beside the adapter, the adapter slows the whole process and the ratio hides it (an array copy of over 200,000 elements
on mxnet's main thread halved lenet so). `--against layers`: the same for the networks of today; layers/NAME.py holds
loops around the framework's own layers and optimisers. Trainers (Keras fit, Lightning) are arms: docs/compare.md.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tests.baselines import digits

if TYPE_CHECKING:  # the program starts itself again before it imports a framework
    from adapters.contract import Adapter, Preloaded
    from adapters.declaration import Recipe

Array = npt.NDArray[Any]
Run = Callable[[int, int], Any]  # train on `count` batches from `first` on, wrapping; plain loops return the last loss
HERE = Path(__file__).parent
FOLDERS = {"plain": "loops", "layers": "layers"}
WITH = {  # the frameworks that have one
    against: sorted(path.stem for path in (HERE / folder).glob("*.py")) for against, folder in FOLDERS.items()
}
WITH_LOOPS = WITH["plain"]
MODES = ("eager", "compiled", "fused")
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FORCED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they choose BLAS kernels for another machine
SHORTEST_S = 0.2
CHECKED = 5  # steps after which the losses must agree
LOSS_BOUND = 1e-4  # relative, float32; another network or rate is off by far more


def main() -> None:
    options = parse()
    fix_environment(options.threads)
    warnings.simplefilter("ignore")
    from adapters.recipes import RECIPES
    from adapters.registry import FRAMEWORKS, load

    adapter_class = load(FRAMEWORKS[options.framework].adapter)
    adapter_class.set_threads(options.threads)
    pixels, labels = digits.load(options.data)
    for name in options.models.split(","):
        for batch_size in map(int, options.batch_size.split(",")):
            batches = digits.batches(pixels, labels, batch_size)
            recipe = RECIPES[name]
            there = loops(options.framework, options.against)
            for mode in options.modes.split(","):
                if there.get(mode) and not adapter_class.unsupported(options.device, mode, "float32"):
                    cell = {"framework": options.framework, "model": name, "mode": mode, "batch_size": batch_size}
                    if options.loop is None:
                        row = fastest_loop(cell, options.against, options.pairs)
                    else:
                        row = cell | against_loop(options, adapter_class, recipe, mode, batches)
                        row["recommended"] = adapter_class.recommended_mode(recipe.model, options.device) == mode
                    print(json.dumps(row) if options.json else line(row), flush=True)


def loops(framework: str, against: str) -> dict[str, tuple[Callable[..., Run], ...]]:
    """Return the loops by hand of a framework, by mode."""
    return importlib.import_module(f"tests.baselines.{FOLDERS[against]}.{framework}").LOOPS


def fastest_loop(cell: dict[str, Any], against: str, pairs: int) -> dict:
    """Try every loop of a cell alone, then return the row of the fastest, each from a process of its own."""
    names = [make.__name__ for make in loops(cell["framework"], against)[cell["mode"]]]
    alone = {name: rate for name in names for rate in in_process(cell, name, 0)["alone"].values()}
    return in_process(cell, max(alone, key=alone.get), pairs) | {"alone": alone}


def in_process(cell: dict[str, Any], loop: str, pairs: int) -> dict:
    command = [sys.executable, *sys.argv, "--json", "--models", cell["model"], "--modes", cell["mode"]]
    command += ["--batch-size", str(cell["batch_size"]), "--loop", loop, "--pairs", str(pairs)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("framework", choices=WITH_LOOPS)
    parser.add_argument("--against", choices=list(FOLDERS), default="plain")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--models", default="mlp,lenet")
    parser.add_argument("--modes", default=",".join(MODES), help="the adapter's modes; those it lacks are left out")
    parser.add_argument("--batch-size", default="100,1000")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=Path, default=os.environ.get("LOCKSTEP_DATA"), help=digits.HELP)
    parser.add_argument("--loop", help="only this plain loop, by the name of its function")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    if options.framework not in WITH[options.against]:
        raise SystemExit(f"{options.framework} has no {options.against} here; {', '.join(WITH[options.against])} have")
    return options


def fix_environment(threads: int) -> None:
    """Start this program again with the thread pools' settings in place: libraries read them when loaded."""
    wanted = {name: value for name, value in os.environ.items() if name not in FORCED}
    wanted |= dict.fromkeys(POOLS, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "2", "GLOG_minloglevel": "2"}
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)  # noqa: S606  # itself, no shell


def against_loop(options: Any, adapter_class: type[Adapter], recipe: Recipe, mode: str, batches: Any) -> dict:
    from adapters.weights import initial_weights

    weights = initial_weights(recipe.model, recipe.initialiser, 0)
    (make,) = [make for make in loops(options.framework, options.against)[mode] if make.__name__ == options.loop]
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    place = {"device": options.device} if "device" in inspect.signature(make).parameters else {}
    if options.device == "gpu" and not place:
        raise SystemExit(f"{options.loop} of {options.framework} has no GPU to name")
    loop = make(recipe.name, *batches, weights, **place)
    expected = loop(0, CHECKED)
    batch_size = batches[1].shape[1]
    alone = {options.loop: rate_alone(loop, batch_size)}
    adapter = adapter_class(recipe, options.device, mode)
    preloaded = placed(adapter, recipe, *batches)
    run_adapter = adapter_loop(adapter, preloaded)
    run_adapter(0, CHECKED)
    found = adapter.losses(preloaded)[CHECKED - 1]
    if not abs(expected / found - 1) < LOSS_BOUND:
        raise SystemExit(
            f"{options.loop} computes something else: loss {expected} after {CHECKED} steps, the adapter's is {found}"
        )
    rates = compare(loop, run_adapter, options.pairs, batch_size) if options.pairs else []
    return {"against": options.loop, "rates": rates, "alone": alone}


def placed(adapter: Adapter, recipe: Recipe, images: Array, labels: Array) -> Preloaded:
    from adapters.weights import initial_weights

    adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    return adapter.put(images, labels)


def adapter_loop(adapter: Adapter, preloaded: Preloaded) -> Run:
    def run(first: int, count: int) -> None:
        adapter.train(preloaded, first % preloaded.steps, count)
        adapter.synchronise()

    return run


def rate_alone(run: Run, batch_size: int) -> float:
    """Return the best samples/s of three runs of at least 50 ms."""
    seconds, steps = timed(run, 0, 1), 1
    while seconds < SHORTEST_S / 4:
        steps *= 2
        seconds = timed(run, 0, steps)
    return steps * batch_size / min(seconds, timed(run, 0, steps), timed(run, 0, steps))


def compare(plain: Run, adapter: Run, pairs: int, batch_size: int) -> list[tuple[float, float]]:
    """Return (plain, adapter) samples/s of each pair; every run takes the same number of steps."""
    steps = 1
    while min(timed(plain, 0, steps), timed(adapter, 0, steps)) < SHORTEST_S:
        steps = 2 * steps
    rates, first = [], 0
    gc.collect()
    gc.disable()
    for pair in range(pairs):
        order = (plain, adapter) if pair % 2 == 0 else (adapter, plain)
        seconds = {run: timed(run, first, steps) for run in order}
        first += steps
        rates.append((steps * batch_size / seconds[plain], steps * batch_size / seconds[adapter]))
    gc.enable()
    return rates


def timed(run: Run, first: int, steps: int) -> float:
    begin = time.perf_counter_ns()
    run(first, steps)
    return (time.perf_counter_ns() - begin) / 1e9


def line(row: dict) -> str:
    plain, adapter = (statistics.median(side) for side in zip(*row["rates"], strict=True))
    cell = f"{row['framework']:10} {row['mode']:8} {row['model']:5} batch {row['batch_size']:4}"
    alone = ", ".join(f"{name} {rate:,.0f}" for name, rate in row["alone"].items())
    return f"{cell}: {spread(row)} of {row['against']}; {plain:9,.0f} and {adapter:9,.0f} samples/s" + (
        f" (alone: {alone})" if alone else ""
    )


def spread(row: dict) -> str:
    """Return the median of a row's ratios and [least, greatest]."""
    ratios = [adapter / plain for plain, adapter in row["rates"]]
    return f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"


if __name__ == "__main__":
    main()
