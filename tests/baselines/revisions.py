"""Compare each adapter with that of another checkout: python -m tests.baselines.revisions OLD --frameworks jax,numpy.

Run it at this checkout's root; OLD is the root of the other one, as `git worktree add OLD REVISION` makes it. Both
adapters are in one process, with the variables and the CPUs of a worker, and take chunks of steps in turn, A B then B
A: what disturbs one disturbs the other. Then a new process begins, because where arrays lie in memory decides some per
cent of a speed, too. It prints the geometric mean of the pairs' ratios, new over old, with its 95 % interval: of speeds
by the wall's clock, and by the CPU seconds of all threads, which others on the machine change less.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from adapters.registry import FRAMEWORKS

HERE = Path(__file__).resolve().parents[2]
STEPS = 40  # batches
SHORTEST_S = 0.02  # of CPU time, a chunk
WARM_UP = 5  # chunks

Work = Callable[[int], None]


def adapter_of(root: Path, options: argparse.Namespace) -> Any:
    """Return the adapter of a checkout on the recipe's initial weights; whichever package was loaded is forgotten."""
    is_first = "adapters.contract" not in sys.modules
    for name in [name for name in sys.modules if name.partition(".")[0] == "adapters"]:
        del sys.modules[name]
    sys.path.insert(0, str(root))
    names = ("contract", "recipes", "weights", options.frameworks)
    contract, recipes, weights, module = (importlib.import_module(f"adapters.{name}") for name in names)
    sys.path.remove(str(root))
    if not Path(module.__file__).is_relative_to(root):
        raise SystemExit(f"asked for adapters of {root}, {module.__file__} was loaded")
    [cls] = contract.Adapter.__subclasses__()
    if is_first:  # once a process, before anything is computed
        cls.set_threads(options.threads)
    recipe = recipes.RECIPES[options.model]
    mode = cls.recommended_mode(recipe.model, "cpu", "host" if options.work == "fed" else "preloaded")
    adapter = cls(recipe, "cpu", mode)
    adapter.set_weights(weights.initial_weights(recipe.model, recipe.initialiser, 0))
    return adapter


def work_of(adapter: Any, options: argparse.Namespace) -> Work:
    """Return work(count): so many steps on preloaded batches or on fed ones, or passes of evaluation."""
    generator = np.random.default_rng(0)
    shape = (STEPS, options.batch_size, *adapter.recipe.model.input_shape)
    images, labels = generator.random(shape, np.float32), generator.integers(0, 10, shape[:2])
    if options.work == "fed":
        order = np.arange(labels.size).reshape(labels.shape)
        feed = adapter.feed(images.reshape(-1, *shape[2:]), labels.reshape(-1), order)
    else:
        placed = adapter.put(images, labels)

    def work(count: int) -> None:
        pending = None
        if options.work == "fed":
            adapter.train_fed(feed, count)
        elif options.work == "train":
            adapter.train(placed, 0, count)
        else:
            pending = [adapter.evaluate(placed, 0, STEPS) for _ in range(count)]
        adapter.synchronise(pending)

    return work


def seconds(work: Work, amount: int) -> tuple[float, float]:
    """Return the seconds that work takes by the wall and of the CPU."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    work(amount)
    return (time.perf_counter_ns() - wall) / 1e9, (time.process_time_ns() - cpu) / 1e9


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the ratios of speeds, new over old, of pairs in this process, by both clocks.

    Which adapter is made first, and gets its memory first, takes turns, too.
    """
    roots = {"old": options.old, "new": HERE}
    made = {name: adapter_of(roots[name], options) for name in sorted(roots, reverse=options.here % 2 == 1)}
    work = {name: work_of(adapter, options) for name, adapter in made.items()}
    old, new = work["old"], work["new"]
    amount = 1
    for run in (old, new):
        run(1)
    while min(seconds(old, amount)[1], seconds(new, amount)[1]) < SHORTEST_S:
        amount *= 2
    for _ in range(WARM_UP):
        old(amount)
        new(amount)
    gc.collect()
    gc.disable()
    ratios = []
    for pair in range(options.pairs // options.starts):
        taken = {run: seconds(run, amount) for run in ((old, new) if pair % 2 else (new, old))}
        ratios.append([before / after for before, after in zip(taken[old], taken[new], strict=True)])
    return {"mode": made["new"].mode, "ratios": ratios}


def in_process(framework: str, options: argparse.Namespace, start: int) -> dict[str, Any]:
    """Return what a process in the framework's environment measures, the first one or a later start."""
    from benchmarks.launch.process import Place, on_cpus

    place = Place.of_framework(framework, "cpu", options.threads)
    command = [place.interpreter, *sys.argv, "--here", str(start), "--frameworks", framework]
    with on_cpus(place.cpus):
        done = subprocess.run(command, env=place.variables, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=lambda text: Path(text).resolve(strict=True))
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--work", choices=("train", "fed", "evaluate"), default="train")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--here", type=int, metavar="START", help="measure in this process; the program asks itself to")
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.here is not None:
        print(json.dumps(measure(options)))
        return
    from benchmarks import stats

    for framework in options.frameworks.split(","):
        found = [in_process(framework, options, start) for start in range(options.starts)]
        pairs = [pair for one in found for pair in one["ratios"]]
        cell = f"{framework:10} {found[0]['mode']:8} {options.work:8} {options.model} batch {options.batch_size}"
        clocks = [stats.speed(list(ratios)) for ratios in zip(*pairs, strict=True)]
        wall, cpu = (f"{clock.estimate:.3f} [{clock.low:.3f}, {clock.high:.3f}]" for clock in clocks)
        print(f"{cell}: {wall}, by CPU seconds {cpu}, {len(pairs)} pairs", flush=True)


if __name__ == "__main__":
    main()
