"""Where one worker runs: everything that starting it needs, looked up once and then only passed on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.registry import ADAPTERS
from benchmarks.machine import environments, git, hardware
from benchmarks.machine.memory import UNLIMITED, MemoryLimit


@dataclass(frozen=True)
class Place:
    """A framework's interpreter, what its worker sees of this machine, and how much of it the worker may use.

    `folder` is where the worker starts and where Python looks first for adapters/; `cpus` are logical CPUs' numbers.
    """

    interpreter: Path
    variables: Mapping[str, str]  # the worker's whole environment
    cpus: tuple[int, ...]
    adapter: str = ""  # "module:Class"
    device: str = "cpu"  # as the harness counts cards
    card: hardware.Card | None = None  # of a GPU, where the driver can be asked
    folder: Path = environments.ROOT
    memory: MemoryLimit = UNLIMITED

    @classmethod
    def of_framework(
        cls, framework: str, device: str, threads: int, revision: str = "", memory: MemoryLimit = UNLIMITED
    ) -> Place:
        """Return the framework's environment on this machine, on as many physical cores as there are threads.

        The adapters are those of a revision's commit, or the checkout's. EnvironmentMissing without an environment.
        """
        return cls(
            environments.interpreter(framework, device),
            environments.variables(threads, device),
            tuple(hardware.physical_cpus()[:threads]),
            ADAPTERS[framework],
            device,
            hardware.card_of(device),
            git.adapters_folder(revision) if revision else environments.ROOT,
            memory,
        )

    def on_all_cores(self) -> Place:
        """Return this place with every physical core: for a worker whose speed nobody publishes."""
        return dataclasses.replace(self, cpus=tuple(hardware.physical_cpus()))
