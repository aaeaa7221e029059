"""Starts micro-benchmarks in a framework's environment; pytest-benchmark keeps what they measure."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environments
from benchmarks.errors import StorageError
from benchmarks.launch import on_cpus
from benchmarks.machine import physical_cpus

KINDS = ("step", "evaluate", "put", "dispatch")
RESULTS = environments.ROOT / "results" / "micro"
FILE = "benchmarks/micro/test_calls.py"
COLUMNS = "min,median,iqr,outliers,rounds,iterations"


@dataclass(frozen=True)
class Micro:
    """One process to come: `axes` maps options of conftest.py to their values, `max_time_s` is each benchmark's."""

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
        with on_cpus(physical_cpus()[: self.threads]):
            variables = environments.variables(self.threads)
            return subprocess.run(command, env=variables, cwd=environments.ROOT, check=False).returncode
