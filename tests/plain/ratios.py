"""Compare an adapter with a plain loop in one process: python tests/plain/ratios.py torch --models lenet.

Run it with the python of that framework's environment and PYTHONPATH at the checkout's root. Both sides train the
same network on the same batches in turn, A B then B A, so that a machine others use disturbs both alike; only the
ratio means anything. Every line says which mode of the adapter it compares; `like` marks the one whose compilation
equals the plain loop's. The last figure is the plain loop's speed before any adapter was built: if it is far above
the plain loop's speed beside the adapter, the adapter slows the whole process and the ratio hides it (an array copy
of over 200,000 elements on mxnet's main thread halved lenet so).
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # the program starts itself again before it imports a framework
    from adapters.contract import Adapter
    from adapters.declaration import Recipe

Array = npt.NDArray[Any]
Run = Callable[[int], None]
LIKE_FOR_LIKE = {"torch": "eager", "tensorflow": "compiled", "paddle": "eager", "mxnet": "compiled", "jax": "compiled"}
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
FORCED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they choose BLAS kernels for another machine
SHORTEST_S = 0.2
STEPS = 50  # batches of digits held by both sides


def main() -> None:
    options = parse()
    fix_environment(options.threads)
    warnings.simplefilter("ignore")
    from adapters.recipes import RECIPES
    from adapters.registry import ADAPTERS, load

    adapter_class = load(ADAPTERS[options.framework])
    adapter_class.set_threads(options.threads)
    plain = importlib.import_module(f"tests.plain.{options.framework}_loop")
    images, labels = digits(options.batch_size)
    loops = {name: plain.make(name, images, labels) for name in options.models.split(",")}
    alone = {name: rate_alone(loop, options.batch_size) for name, loop in loops.items()}
    for name, loop in loops.items():
        recipe = RECIPES[name]
        like = LIKE_FOR_LIKE[options.framework]
        modes = [options.mode] if options.mode else [like, adapter_class.recommended_mode(recipe.model, "cpu")]
        for mode in dict.fromkeys(modes):
            run_adapter = adapter_loop(adapter_class(recipe, "cpu", mode), recipe, images, labels)
            rates = compare(loop, run_adapter, options.pairs, options.batch_size)
            label = mode + (" (like)" if mode == like else "")
            print(line(options.framework, label, name, options.batch_size, rates, alone[name]), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("framework", choices=sorted(LIKE_FOR_LIKE))
    parser.add_argument("--mode", help="the adapter's mode; default: the recommended and the like-for-like one")
    parser.add_argument("--models", default="mlp,lenet")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def fix_environment(threads: int) -> None:
    """Start this program again with the thread pools' settings in place: libraries read them when loaded."""
    wanted = {name: value for name, value in os.environ.items() if name not in FORCED}
    wanted |= dict.fromkeys(POOLS, str(threads))
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)  # noqa: S606  # itself, no shell


def digits(batch_size: int) -> tuple[Array, Array]:
    """Return (S, B, 1, 28, 28) pixels of 0..1 and (S, B) labels, the same in every framework."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (STEPS, batch_size, 1, 28, 28), np.uint8)
    return pixels.astype(np.float32) / 255, generator.integers(0, 10, (STEPS, batch_size))


def adapter_loop(adapter: Adapter, recipe: Recipe, images: Array, labels: Array) -> Run:
    from adapters.weights import initial_weights

    adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    resident = adapter.put(images, labels)
    position = 0

    def run(steps: int) -> None:
        nonlocal position
        adapter.train(resident, position, steps)
        adapter.synchronise()
        position = (position + steps) % resident.steps

    return run


def rate_alone(plain: Run, batch_size: int) -> float:
    """Return the median samples/s of five runs of 20 steps, after a warm-up."""
    plain(STEPS)
    return 20 * batch_size / statistics.median(timed(plain, 20) for _ in range(5))


def compare(plain: Run, adapter: Run, pairs: int, batch_size: int) -> list[tuple[float, float]]:
    """Return (plain, adapter) samples/s of each pair; every run takes the same number of steps."""
    for run in (plain, adapter):
        run(5)
        run(STEPS)
    steps = 10
    while min(timed(plain, steps), timed(adapter, steps)) < SHORTEST_S:
        steps = steps * 3 // 2
    rates = []
    gc.collect()
    gc.disable()
    for pair in range(pairs):
        order = (plain, adapter) if pair % 2 == 0 else (adapter, plain)
        seconds = {run: timed(run, steps) for run in order}
        rates.append((steps * batch_size / seconds[plain], steps * batch_size / seconds[adapter]))
    gc.enable()
    return rates


def timed(run: Run, steps: int) -> float:
    begin = time.perf_counter_ns()
    run(steps)
    return (time.perf_counter_ns() - begin) / 1e9


def line(framework: str, mode: str, model: str, batch_size: int, rates: list[tuple[float, float]], alone: float) -> str:
    plain, adapter = (statistics.median(side) for side in zip(*rates, strict=True))
    ratios = [b / a for a, b in rates]
    spread = f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
    cell = f"{framework:10} {mode:15} {model:6} batch {batch_size}"
    return f"{cell}: plain {plain:9,.0f}, adapter {adapter:9,.0f} samples/s, {spread}, plain alone {alone:9,.0f}"


if __name__ == "__main__":
    main()
