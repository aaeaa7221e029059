"""A member's part of a sweep: measured by what measures a sweep on one machine, in a file of the member's own.

The driver gets every line of that file when it is on the disk, with its number, and asks for lines that did not come.
The file is deleted when the driver says that it has all of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import files
from benchmarks.launch.ceilings import Point, ceilings
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.launch.proof import Proof
from benchmarks.machine import git, lock
from benchmarks.machine.memory import MemoryLimit
from benchmarks.plan.cells import Cell, Launch, Preset
from benchmarks.plan.data.prepared import prepare
from benchmarks.sweep.block import BlockRunner
from benchmarks.sweep.dask.copies import lines_from
from benchmarks.sweep.stopping import Stopping

Json = dict[str, Any]
Send = Callable[[Json], None]


class Session:
    """What one member does for one sweep."""

    def __init__(
        self, order: Mapping[str, Any], probes: Mapping[tuple[str, str], Probe], path: Path, send: Send
    ) -> None:
        """Make the data ready, measure the peaks that were asked for, begin the file.

        `order` is the driver's (workers.opening), `path` the file, `send` takes what the driver is to know.
        """
        self.send, self.name, self.driver, self.base = send, order["sweep"], order["driver"], order["part_of"]
        self.lines_sent, self.offset = 0, 0
        preset = Preset(**{**order["preset"], "looks": tuple(order["preset"]["looks"])})
        self.runner = BlockRunner(
            sweep=self.name,
            path=path,
            launcher=self._launcher(order, probes, preset),
            stopping=Stopping(preset),
            seed=order["seed"],
            proof_timeout_s=order["proof_timeout_s"],
            fresh_proof=order["fresh_proof"],
            report=self._report,
            report_proof=self._report_proof,
        )
        about = {name: order[name] for name in ("part_of", "preset", "seed", "requested")}
        self.runner.begin(about, [network["name"] for network in order["networks"]])
        self._publish()
        self.undo = ExitStack()
        self.folder = self.undo.enter_context(files.scratch())  # what workers are handed

    def _launcher(self, order: Mapping[str, Any], probes: Mapping[tuple[str, str], Probe], preset: Preset) -> Launcher:
        """Return what makes the rows; this checkout must have the revisions."""
        for revision in filter(None, order["revisions"]):
            git.resolved(revision)
        data_dir = Path(order["data_dir"]) if order["data_dir"] else None
        data = {one.name: one for one in (prepare(name, data_dir) for name in order["sets"])}
        memory = MemoryLimit.for_bytes(order["memory_bytes"])
        with lock.machine_lock(f"the peak for {self.name}", True, self._say):
            known = ceilings([Point(*point) for point in order["points"]], order["peak"], self._say)
        return Launcher(
            probes,
            data,
            preset.chunk_s,
            order["epochs"],
            memory,
            timeout_s=order["timeout_s"],
            judged_steps=preset.judged_steps,
            ceilings=known,
        )

    def data(self) -> list[Json]:
        """Return what the driver is to know of each data set, in the order in which they were asked for."""
        names = ("name", "sha256", "train_size", "test_size", "source", "image_shape", "classes")
        return [{name: getattr(data, name) for name in names} for data in self.runner.launcher.data.values()]

    def measure(self, order: Mapping[str, Any]) -> None:
        """Measure one block, proofs of its cells first where they were not proven here yet."""
        cells = [Cell(**cell) for cell in order["cells"]]
        coming = deque(Launch(order["task"], order["round"], order["seed"], cell, order["attempt"]) for cell in cells)
        runner = self.runner
        with lock.machine_lock(f"{order['task']} of {cells[0].recipe}, {self.name}", True, self._say):
            runner.stopping.follow(cells)
            runner.prove(cells)
            left_s = order["time_left_s"]
            runner.stopping.cap(math.inf if left_s is None else left_s)
            runner.launch(coming, self.folder)
        self._publish()

    def close(self) -> None:
        """Remove what workers were handed; the file stays."""
        self.undo.close()

    # What the driver gets to know meanwhile.

    def _report(self, done: int, total: int, planned: Launch, row: Json | None) -> None:
        """Send what begins, or the lines of what has ended."""
        if row is None:
            self._say(f"{planned.task} {planned.cell.framework} {planned.cell.recipe}")
        else:
            self._publish()

    def _report_proof(self, done: int, total: int, cell: Cell, proof: Proof | None) -> None:
        """The same of a proof."""
        if proof is None:
            self._say(f"proof {cell.framework} {cell.recipe}")
        else:
            self._publish()

    def _say(self, words: str) -> None:
        """Send what a person wants to see: what begins, which process this machine waits for, what its peak is."""
        self.send({"sweep": self.name, "doing": words})

    def _publish(self) -> None:
        """Send the lines that are new in the file."""
        lines, self.offset = lines_from(self.runner.path, self.offset)
        if lines:
            self.send({"sweep": self.name, "first": self.lines_sent, "lines": lines})
            self.lines_sent += len(lines)
