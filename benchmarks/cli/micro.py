"""`micro`: single calls, timed by pytest-benchmark in each framework's environment."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.contract import DTYPES
from adapters.recipes import declared_own
from benchmarks import files
from benchmarks.cli import options
from benchmarks.cli.options import length, what, where
from benchmarks.cli.terminal import err, out, say
from benchmarks.errors import StorageError
from benchmarks.launch.probe import chosen_frameworks, with_packages
from benchmarks.launch.process import on_cpus
from benchmarks.machine import environments, lock
from benchmarks.machine.hardware import chosen, chosen_threads, physical_cpus
from benchmarks.plan.typed import MODE_NAMES, chosen_models, numbers, values

CALL_KINDS = ("step", "evaluate", "put", "dispatch")
MICRO_RESULTS = environments.ROOT / "results" / "micro"
FILE = "benchmarks/worker/micro/test_calls.py"
COLUMNS = "min,median,iqr,outliers,rounds,iterations"


@dataclass(frozen=True)
class Micro:
    """One process to come: `axes` maps options of worker/micro/conftest.py to their values, `max_time_s` of each."""

    framework: str
    device: str
    threads: int
    kinds: Sequence[str]
    axes: Mapping[str, Sequence[object]]
    max_time_s: float
    folder: Path

    def options(self) -> list[str]:
        """Return what pytest is given.

        Files are saved under pytest-benchmark's own numbers, so that `pytest-benchmark compare` finds earlier ones.
        """
        return [
            *("-p", "no:cacheprovider", "--quiet", "--disable-warnings"),  # as in a sweep, whose workers are not heard
            *(f"{FILE}::test_{kind}" for kind in self.kinds),
            *(f"--framework={self.framework}", f"--device={self.device}", f"--threads={self.threads}"),
            *(f"--{name}={','.join(map(str, values))}" for name, values in self.axes.items()),
            *(f"--benchmark-max-time={self.max_time_s:g}", f"--benchmark-columns={COLUMNS}", "--benchmark-sort=name"),
            f"--benchmark-storage=file://{self.folder.resolve()}",
            f"--benchmark-save={self.framework}-{self.device}-{self.threads}",
        ]

    def run(self) -> int:
        """Run it on the CPUs and with the variables that a sweep's worker has; return pytest's exit code.

        What it prints goes where ours goes. StorageError if the folder cannot be made.
        """
        python = environments.interpreter(self.framework, self.device)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the results folder {self.folder}: {error.strerror}") from error
        command = [str(python), "-m", "pytest", *self.options()]
        with files.scratch() as folder, on_cpus(physical_cpus()[: self.threads]):
            if networks := declared_own(map(str, self.axes["model"])):
                (folder / "networks.json").write_text(json.dumps(networks))
                command.append(f"--networks={folder / 'networks.json'}")
            variables = environments.variables(self.threads)
            return subprocess.run(command, env=variables, cwd=environments.ROOT, check=False).returncode


def micro_benchmarks(
    framework: options.Frameworks = None,
    model: options.Models = None,
    batch_size: Annotated[options.Names, what("Images in a batch. Default: 100.", "N,...")] = None,
    mode: options.Modes = None,
    dtype: options.Dtypes = None,
    kind: Annotated[options.Names, what(f"Calls: {', '.join(CALL_KINDS)}. Default: all.", "NAME,...")] = None,
    max_time: Annotated[float, length("How long each benchmark is timed.", "SECONDS", min=0.01)] = 1.0,
    device: options.Devices = None,
    threads: options.Threads = None,
    results: Annotated[
        Path, where("Folder for pytest-benchmark's JSON.", "DIR", show_default="results/micro/")
    ] = MICRO_RESULTS,
    wait: options.Wait = True,
) -> None:
    """Time single calls with pytest-benchmark, one process per framework, device and number of threads.

    Proves nothing, `verify` does that. Exit code: 0 all ok, 1 some not, 2 usage, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP.
    """
    devices = chosen(device)
    frameworks = chosen_frameworks(framework, devices)
    able = with_packages(frameworks, say)
    counts = chosen_threads(threads, environments.common_threads(frameworks))
    kinds = values(kind, CALL_KINDS, CALL_KINDS, "kind")
    axes: dict[str, Sequence[object]] = {
        "model": chosen_models(model),
        "batch-size": numbers(batch_size, [100], "--batch-size", 1 << 20),
        "mode": values(mode, ["recommended"], MODE_NAMES, "mode"),
        "dtype": values(dtype, ["float32"], DTYPES, "dtype"),
    }
    processes = itertools.product(able, devices, counts)
    failed = []
    with lock.machine_lock(f"single calls in {', '.join(able)}", wait, say):
        for process in processes:
            if code := Micro(*process, kinds, axes, max_time, results).run():
                failed.append(f"{process[0]} on {process[1]} ({code})")
    if failed:
        err.print(f"pytest did not end well: {', '.join(failed)}", style="red", highlight=False, soft_wrap=True)
    out.print("a table of what is kept: python -m report micro", highlight=False)
    raise typer.Exit(1 if failed or able != frameworks else 0)
