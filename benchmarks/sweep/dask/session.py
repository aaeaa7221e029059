"""A member's part of a sweep: measured by what measures a sweep on one machine, kept in a file of the member's own.

Every line of that file is told to the driver when it is on the disk, with its number; what the driver did not get it
asks for. The file is deleted when the driver says that it has all of it.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.launch import proof
from benchmarks.launch.ceilings import Point, ceilings
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.machine import git, lock
from benchmarks.machine.memory import MemoryLimit
from benchmarks.plan.cells import Cell, Launch, Preset
from benchmarks.plan.data.prepared import prepare
from benchmarks.record import store
from benchmarks.sweep.dask.copies import lines_from
from benchmarks.sweep.facts import dataset_facts, run_facts
from benchmarks.sweep.local import LocalSweep
from benchmarks.sweep.stopping import Stopping

Json = dict[str, Any]
Tell = Callable[[Json], None]


class Session:
    """What one member does for one sweep."""

    def __init__(
        self, order: Mapping[str, Any], probes: Mapping[tuple[str, str], Probe], path: Path, tell: Tell
    ) -> None:
        """Make the data ready, measure the peaks that were asked for, begin the file.

        `order` is the driver's (request.opening), `path` the file, `tell` takes what the driver is to know.
        """
        self.tell, self.path, self.told, self.offset = tell, path, 0, 0
        self.driver, self.base = str(order["driver"]), str(order["part_of"])
        for revision in order["revisions"]:
            if revision:
                git.resolved(revision)  # which this checkout must have
        data_dir = Path(order["data_dir"]) if order["data_dir"] else None
        data = {found.name: found for found in (prepare(name, data_dir) for name in order["sets"])}
        preset = Preset(**{**order["preset"], "looks": tuple(order["preset"]["looks"])})
        memory = MemoryLimit.for_bytes(order["memory_bytes"])
        launcher = Launcher(probes, data, order["timeout_s"], preset.chunk_s, order["epochs"], memory)
        with lock.machine_lock(f"the peak for {order['sweep']}", True, self.say):
            launcher.ceilings = ceilings([Point(*point) for point in order["points"]], order["peak"], self.say)
        sweep = LocalSweep(
            [], launcher, path.parent, preset, order["seed"], report=self.report, report_proof=self.proven
        )
        sweep.proof_timeout_s, sweep.fresh_proof = order["proof_timeout_s"], order["fresh_proof"]
        sweep.name, sweep.path = order["sweep"], path
        self.sweep, self.stopping = sweep, Stopping([], preset, float("inf"), sweep.stops)
        self.followed: set[tuple[object, ...]] = set()
        self.proven_cells: set[Cell] = set()
        self.folder = tempfile.TemporaryDirectory(prefix="lockstep-")
        self.begin(order, probes)

    def begin(self, order: Mapping[str, Any], probes: Mapping[tuple[str, str], Probe]) -> None:
        """Write the part's record and what it trains on."""
        launcher = self.sweep.launcher
        facts = run_facts(probes, launcher.data, launcher.ceilings)
        about = {name: order[name] for name in ("part_of", "preset", "seed", "requested")}
        told = {"sweep": self.sweep.name, **facts, **about, "memory_limit": launcher.memory.about()}
        store.create(self.path, told)
        for data in launcher.data.values():
            store.append(self.path, "dataset", dataset_facts(data))
        self.publish()

    def data(self) -> list[Json]:
        """Return what the driver is to know of each data set, in the order in which they were asked for."""
        names = ("name", "sha256", "train_size", "test_size", "source")
        return [{name: getattr(data, name) for name in names} for data in self.sweep.launcher.data.values()]

    def measure(self, order: Mapping[str, Any]) -> None:
        """Measure one block, proofs of its cells first where they were not proven here yet."""
        cells = [Cell(**cell) for cell in order["cells"]]
        coming = deque(Launch(order["task"], order["round"], order["seed"], cell, order["attempt"]) for cell in cells)
        comparison = cells[0].comparison()
        with lock.machine_lock(f"{order['task']} of {cells[0].recipe}, {order['sweep']}", True, self.say):
            if comparison not in self.followed:
                self.followed.add(comparison)
                self.stopping.follow(cells)
            self.sweep.prove([cell for cell in cells if cell not in self.proven_cells])
            self.proven_cells.update(cells)
            left_s = order["time_left_s"]
            self.stopping.deadline = time.monotonic() + (float("inf") if left_s is None else left_s)
            self.sweep.launch_all(coming, self.stopping, Path(self.folder.name))
        self.publish()

    def report(self, done: int, total: int, planned: Launch, row: Json | None) -> None:
        """Tell what begins, or the lines of what has ended."""
        if row is None:
            cell = planned.cell
            self.tell({"sweep": self.sweep.name, "doing": f"{planned.task} {cell.framework} {cell.recipe}"})
        else:
            self.publish()

    def proven(self, done: int, total: int, cell: Cell, proof: proof.Proof | None) -> None:
        """The same of a proof."""
        if proof is None:
            self.tell({"sweep": self.sweep.name, "doing": f"proof {cell.framework} {cell.recipe}"})
        else:
            self.publish()

    def say(self, words: str) -> None:
        """Tell what people are to read: whom this machine waits for, what its peak is."""
        self.tell({"sweep": self.sweep.name, "doing": words})

    def publish(self) -> None:
        """Tell the lines that are new in the file."""
        found, self.offset = lines_from(self.path, self.offset)
        if found:
            self.tell({"sweep": self.sweep.name, "first": self.told, "lines": found})
            self.told += len(found)

    def close(self) -> None:
        """Remove what workers were handed; the file stays."""
        self.folder.cleanup()
