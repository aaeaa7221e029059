"""Compare each adapter with that of another checkout: python -m tests.baselines.revisions OLD --frameworks jax,numpy.

Run it at this checkout's root; OLD is the root of the other one, as `git worktree add OLD REVISION` makes it. Each side
is a process in the framework's own environment, with a worker's variables and CPUs. They take chunks of steps in turn,
A B then B A, on the same CPUs; one sleeps while the other computes. Then both are started again, because where a
process lies in memory decides some per cent of its speed, too. It prints the geometric mean of the pairs' ratios, new
over old, with its 95 % interval: of speeds by the wall's clock, and by the CPU seconds of all threads, which others on
the machine change less.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.contract import Adapter
from adapters.declaration import Recipe
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS, load
from adapters.weights import initial_weights

if TYPE_CHECKING:  # a side has the packages of a framework's environment
    from benchmarks.stats import Interval

STEPS = 40  # batches
SHORTEST_S = 0.05
WARM_UP = 3  # chunks


def work_of(adapter: Adapter, recipe: Recipe, kind: str, batch_size: int) -> Callable[[int], None]:
    """Return work(count): so many steps on preloaded batches, on fed ones, or batches that are evaluated."""
    generator = np.random.default_rng(0)
    images = generator.random((STEPS, batch_size, *recipe.model.input_shape), np.float32)
    labels = generator.integers(0, 10, (STEPS, batch_size))
    adapter.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    taken = 0
    if kind == "fed":
        order = np.arange(labels.size).reshape(labels.shape)
        feed = adapter.feed(images.reshape(-1, *images.shape[2:]), labels.reshape(-1), order)
    else:
        placed = adapter.put(images, labels)

    def work(count: int) -> None:
        nonlocal taken
        pending = None
        if kind == "fed":
            adapter.train_fed(feed, count)
        elif kind == "train":
            adapter.train(placed, taken % STEPS, count)
        else:
            pending = [adapter.evaluate(placed, 0, STEPS) for _ in range(count)]
        taken += count
        adapter.synchronise(pending)

    return work


def serve(framework: str, kind: str, model: str, batch_size: int, threads: int) -> None:
    """Be one side: for each line with a number do so much work, and answer with its wall and CPU seconds.

    The first line names the mode and the adapter's file.
    """
    channel, sys.stdout = sys.stdout, sys.stderr  # a framework may print
    cls, recipe = load(FRAMEWORKS[framework].adapter), RECIPES[model]
    cls.set_threads(threads)
    mode = cls.recommended_mode(recipe.model, "cpu", "host" if kind == "fed" else "preloaded")
    work = work_of(cls(recipe, "cpu", mode), recipe, kind, batch_size)
    work(1)
    print(json.dumps({"mode": mode, "file": sys.modules[cls.__module__].__file__}), file=channel, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter_ns(), time.process_time_ns()
        work(int(line))
        end = time.perf_counter_ns(), time.process_time_ns()
        print(*((after - before) / 1e9 for before, after in zip(begin, end, strict=True)), file=channel, flush=True)


Seconds = tuple[float, ...]  # by the wall, of the CPU
Side = Callable[[int], Seconds]


@contextmanager
def side(root: Path, options: argparse.Namespace, framework: str) -> Iterator[tuple[Side, str]]:
    """Start a side with the adapters of a checkout; yield seconds(amount of work), and its mode."""
    from benchmarks.launch.process import Place, on_cpus

    place = Place.of_framework(framework, "cpu", options.threads)
    arguments = [framework, options.work, options.model, str(options.batch_size), str(options.threads)]
    with on_cpus(place.cpus):
        process = subprocess.Popen(
            [place.interpreter, __file__, "--serve", *arguments],
            env={**place.variables, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(amount: int) -> Seconds:
        process.stdin.write(f"{amount}\n")
        process.stdin.flush()
        return tuple(map(float, process.stdout.readline().split()))

    with process:
        about = json.loads(process.stdout.readline())
        if not Path(about["file"]).is_relative_to(root):
            raise SystemExit(f"{framework}: asked for adapters of {root}, {about['file']} was loaded")
        yield seconds, about["mode"]
        process.stdin.close()


def pairs(options: argparse.Namespace, framework: str) -> tuple[list[Seconds], str]:
    """Return the ratios of speeds, new over old, of all pairs, by both clocks, and the mode."""
    ratios: list[Seconds] = []
    here = Path(__file__).resolve().parents[2]
    for start in range(options.starts):
        with ExitStack() as stack:
            (new, mode), (old, _) = (
                stack.enter_context(side(root, options, framework)) for root in (here, options.old)
            )
            amount = 1
            while min(new(amount) + old(amount)) < SHORTEST_S:
                amount *= 2
            for _ in range(WARM_UP):
                new(amount), old(amount)
            for pair in range(start, start + options.pairs // options.starts):
                order = (new, old) if pair % 2 else (old, new)
                taken = {one: one(amount) for one in order}
                ratios.append(tuple(before / now for before, now in zip(taken[old], taken[new], strict=True)))
    return ratios, mode


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=lambda text: Path(text).resolve(strict=True))
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--work", choices=("train", "fed", "evaluate"), default="train")
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=80)
    parser.add_argument("--starts", type=int, default=8)
    return parser.parse_args()


def main() -> None:
    from benchmarks import stats

    options = parse()
    for framework in options.frameworks.split(","):
        ratios, mode = pairs(options, framework)
        wall, cpu = (stats.speed(list(side)) for side in zip(*ratios, strict=True))
        cell = (
            f"{framework:10} {mode:8} {options.work:8} {options.model} batch {options.batch_size}, {len(ratios)} pairs"
        )
        print(f"{cell}: {text(wall)}, by CPU seconds {text(cpu)}", flush=True)


def text(found: Interval) -> str:
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:5], *map(int, sys.argv[5:7]))
    else:
        main()
