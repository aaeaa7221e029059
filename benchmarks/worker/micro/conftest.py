"""Cells of the micro-benchmarks, built in one framework's environment: pytest benchmarks/micro --framework NAME.

`python -m benchmarks micro` starts this with the CPUs and the variables that a sweep's worker has; without them
the thread pools would be others, so it refuses to run.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.contract import Adapter
from adapters.networks import recipe_of
from adapters.recipes import HEADLINE, RECIPES, known
from adapters.registry import load, record
from benchmarks.worker import THREAD_VARIABLES
from benchmarks.worker.micro.test_calls import Cell, flops, synthetic

AXES = ("framework", "model", "batch_size", "mode", "dtype")
DISPATCH = ("linear", 1)  # the smallest declared model at the smallest batch: next to nothing to compute


def _split(text: str) -> list[str]:
    """Return comma-separated values; `python -m benchmarks micro` has checked them."""
    return text.split(",")


def _read(path: str) -> None:
    """Make the networks of a file known that `python -m benchmarks micro` wrote."""
    for values in json.loads(Path(path).read_bytes()):
        known(recipe_of(values))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the axes of a sweep that are one process's to vary."""
    add = parser.getgroup("micro", "micro-benchmarks").addoption
    add("--framework", required=True, help="whose adapter is timed; or an arm, such as jax@0.7.2")
    add("--device", default="cpu", choices=["cpu", "gpu"])
    add("--threads", default=len(os.sched_getaffinity(0)), type=int, help="default: the CPUs this process may use")
    add("--model", default=list(HEADLINE), type=_split)
    add("--networks", type=_read, help="a file of networks of the user's own, as JSON")
    add("--batch-size", default=[100], type=lambda text: [int(size) for size in _split(text)])
    add("--mode", default=["recommended"], type=_split)
    add("--dtype", default=["float32"], type=_split)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what the frameworks warn of to them."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Keep the name of the host out of results."""
    machine_info.pop("node", None)


@functools.cache
def adapter_class(framework: str, threads: int) -> type[Adapter]:
    """Import the framework and give it its threads; UsageError where a sweep's worker would have others."""
    other = [name for name in THREAD_VARIABLES if os.environ.get(name) != str(threads)]
    if other or len(os.sched_getaffinity(0)) != threads:
        what = f"{other[0]} is not {threads}" if other else f"may run on {len(os.sched_getaffinity(0))} CPUs"
        raise pytest.UsageError(
            f"{what}, asked for {threads} threads; type: python -m benchmarks micro --framework {framework}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        found = load(record(framework).adapter)
        if (given := found.set_threads(threads)) != threads:
            raise pytest.UsageError(f"{framework} has {given} threads, asked for {threads}")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a benchmark of every cell once, modes resolved as the adapter recommends."""
    options = metafunc.config.option
    framework = adapter_class(options.framework, options.threads)
    works = list(itertools.product(options.model, options.batch_size))
    if metafunc.function.__name__ == "test_dispatch":
        works = [DISPATCH]
    cells = []
    for (model, batch_size), mode, dtype in itertools.product(works, options.mode, options.dtype):
        resolved = framework.recommended_mode(RECIPES[model].model, options.device) if mode == "recommended" else mode
        cells.append((options.framework, model, batch_size, resolved, dtype))
    metafunc.parametrize(AXES, list(dict.fromkeys(cells)))


@pytest.fixture
def cell(
    pytestconfig: pytest.Config,
    benchmark: Any,
    framework: str,
    model: str,
    batch_size: int,
    mode: str,
    dtype: str,
    request: pytest.FixtureRequest,
) -> Iterator[Cell]:
    """Build one cell as a sweep's worker does, and name it in the benchmark's record."""
    recipe, device, threads = RECIPES[model], pytestconfig.option.device, pytestconfig.option.threads
    made = adapter_class(framework, threads)
    if reason := made.unsupported(device, mode, dtype):
        pytest.skip(f"{framework} cannot run {mode} {dtype} on {device}: {reason}")
    adapter = made(recipe, device, mode, dtype)
    inputs = synthetic(recipe, dtype)
    adapter.set_weights(inputs.weights)
    adapter.synchronise()
    if adapter.placement() != device:
        pytest.fail(f"asked for {device}, the parameters are on {adapter.placement()}")
    kind = request.function.__name__.removeprefix("test_")
    benchmark.extra_info |= dict(zip(AXES, (framework, model, batch_size, mode, dtype), strict=True))
    benchmark.extra_info |= {"kind": kind, "device": device, "threads": threads, "version": made.version}
    benchmark.extra_info |= {"device_name": made.devices()[device], "flops": flops(kind, recipe, batch_size)}
    benchmark.group = f"{kind} {model}, batch {batch_size}, {dtype}, {device}, {threads} threads"
    yield Cell(adapter, inputs, batch_size)
    if not all(np.isfinite(array).all() for array in adapter.get_weights().values()):
        benchmark.has_error = True  # keeps it out of the saved results
        pytest.fail("the weights are not finite after the timed steps")
