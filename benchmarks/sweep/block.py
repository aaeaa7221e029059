"""Measures launches on this machine into one results file: for a sweep here, and for a member of a larger one.

The order of launches is the caller's. Here each becomes one line, whatever happens to its worker. The file also
records the machine, the code, the environments and a few images of the data: a page is made from it alone.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.recipes import declared_own
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.launch.proof import STEPS, Gate, Proof, Wanted
from benchmarks.machine import environments, git, hardware, signals
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import Prepared
from benchmarks.record import store
from benchmarks.sweep.ledger import Key, Ledger
from benchmarks.sweep.stopping import Stopping
from benchmarks.worker.train import MOST_CLASSES

Row = dict[str, Any]
Report = Callable[[int, int, Launch, Row | None], None]  # done, of how many; row is None: it begins
ReportProof = Callable[[int, int, Cell, Proof | None], None]  # likewise


ROWS_A_WRITE = 500  # rows of launches that were not made, written with one fsync


def append_rows(path: Path, made: Iterable[tuple[Launch, Row]], report: Callable[[Launch, Row], object]) -> None:
    """Append rows to a results file, as many at once as memory takes lightly, and report those that are written."""
    coming = iter(made)
    while some := list(itertools.islice(coming, ROWS_A_WRITE)):
        store.append(path, "row", *(row for _, row in some))
        for planned, row in some:
            report(planned, row)


def network_records(recipes: Iterable[str]) -> list[dict[str, Any]]:
    """Return the records of those networks that are the user's own: nothing else could say what they were."""
    return [{"name": network["name"], "declaration": network} for network in declared_own(recipes)]


@dataclass
class BlockRunner:
    """What all blocks of a sweep share: what makes their rows, the file that takes these, when to stop."""

    sweep: str  # its name
    path: Path  # of the results file
    launcher: Launcher
    stopping: Stopping
    seed: int  # of the proofs
    proof_timeout_s: float
    fresh_proof: bool
    report: Report
    report_proof: ReportProof
    ledger: Ledger = field(default_factory=lambda: Ledger(0, 0))
    completed: dict[Key, Row] = field(default_factory=dict)  # by earlier sweeps
    pictured: set[tuple[str, int]] = field(default_factory=set)  # test images in the file: data set, index

    def begin(self, about: Mapping[str, Any], recipes: Iterable[str]) -> None:
        """Make the results file: the run's record, `about` included, and one of each data set and own network."""
        facts = _run_facts(self.launcher)
        store.create(self.path, {"sweep": self.sweep, **facts, **about, "memory_limit": self.launcher.memory.about()})
        for data in self.launcher.data.values():
            store.append(self.path, "dataset", _dataset_facts(data))
        for network in network_records(recipes):
            store.append(self.path, "network", network)

    def prove(self, cells: Iterable[Cell]) -> None:
        """Put every cell that can run through the lockstep gate, once, or take the proof that is in the cache."""
        proofs, target, data = self.launcher.proofs, self.launcher.target, self.launcher.data
        able = [cell for cell in cells if cell not in proofs and target(cell).skipped is None]
        waiting = deque(able)
        if able:
            self.report_proof(0, len(able), able[0], None)
        gate = Gate(self.seed, STEPS, self.fresh_proof, self.proof_timeout_s, self.launcher.memory)
        wanted = [Wanted(cell, data[cell.dataset], target(cell).environment.kernels) for cell in able]
        for number, (one, proof) in enumerate(gate.proofs(wanted), 1):
            store.append(self.path, "proof", {**dataclasses.asdict(one.cell), **dataclasses.asdict(proof)})
            self.report_proof(number, len(able), one.cell, proof)
            proofs[one.cell] = proof.brief()
            while waiting and waiting[0] in proofs:
                waiting.popleft()
            if waiting:
                self.report_proof(number, len(able), waiting[0], None)

    def launch(self, coming: deque[Launch], folder: Path) -> None:
        """Take launches from the left until none is left, each when its row is written; workers' inputs in `folder`."""
        while coming:
            planned = coming[0]
            if self.stopping.stopped(planned):
                coming.popleft()
                continue
            self.report(*self.ledger.progress(), planned, None)
            earlier = self.completed_row(planned)
            row = earlier or self.launcher.row(planned, folder, self.sweep)
            with signals.deferred():  # a launch has one row: it is written and gone from `coming`, or neither
                if not earlier:
                    store.append(self.path, "row", row)
                coming.popleft()
                self.ledger.report(planned, row, made=not earlier)
                self._stop_after(planned, row)
            if not earlier:
                self._keep_pictures(planned, row)
            self.launcher.remember(planned, row)
            self.report(*self.ledger.progress(), planned, row)

    def completed_row(self, planned: Launch) -> Row | None:
        """Return the row that an earlier sweep has of a launch."""
        return self.completed.get((self.launcher.identity(planned), planned.round, planned.seed))

    def _stop_after(self, planned: Launch, row: Row) -> None:
        """Append why a comparison stops with this launch, if it does."""
        if planned.task == "speed" and (stop := self.stopping.enough(planned, row)):
            self.ledger.not_needed += self.stopping.spared(planned)
            store.append(self.path, "stop", stop)

    def _keep_pictures(self, planned: Launch, row: Row) -> None:
        """Append the test images that a cell's first accuracy launch misread worst, each once in a sweep."""
        data = self.launcher.data[planned.cell.dataset]
        if math.prod(data.image_shape) > KEPT_BYTES:
            return
        for index in (row["mistakes"] or []) if planned.round == 0 else []:
            if (data.name, index) not in self.pictured:
                self.pictured.add((data.name, index))
                store.append(self.path, "image", _test_image(data, index))


Array = npt.NDArray[Any]
KEPT_BYTES = 1 << 15  # of an image in a record: MOST_CLASSES of them fit into a line


def _arrays(data: Prepared, part: str) -> tuple[Array, Array]:
    """Return images (N, C, H, W) and labels (N,) of `train` or `test`, mapped from the disk."""
    images, labels = (
        np.load(data.folder / f"{part}_{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in ("images", "labels")
    )
    return images, labels


def _pixels(image: Array) -> str:
    """Return an image's bytes, channel after channel and row after row, as base64."""
    return base64.b64encode(image.tobytes()).decode()


def _dataset_facts(data: Prepared) -> dict[str, Any]:
    """Return a data set's record: class balance, and the first training image of each class that has one.

    No images of more than KEPT_BYTES, and none beyond MOST_CLASSES classes.
    """
    images, labels = _arrays(data, "train")
    channels, height, width = data.image_shape
    kept = min(data.classes, MOST_CLASSES) if math.prod(data.image_shape) <= KEPT_BYTES else 0
    firsts = [int(np.argmax(labels == label)) for label in range(kept) if (labels == label).any()]
    return {
        "name": data.name,
        "sha256": data.sha256,
        "train_counts": np.bincount(labels, minlength=data.classes).tolist(),
        "test_counts": np.bincount(_arrays(data, "test")[1], minlength=data.classes).tolist(),
        "class_names": list(data.class_names) or None,
        "channels": channels,
        "height": height,
        "width": width,
        "samples": [_pixels(images[first]) for first in firsts],
    }


def _test_image(data: Prepared, index: int) -> dict[str, Any]:
    """Return the record of one test image."""
    images, labels = _arrays(data, "test")
    about = {"dataset": data.name, "sha256": data.sha256, "index": index, "label": int(labels[index])}
    return {**about, "pixels": _pixels(images[index])}


def _run_facts(launcher: Launcher) -> Row:
    """Return the machine, the code, each framework's environment, the data and the ceilings that rows are held to."""
    return {
        "machine": hardware.facts(),
        "machine_kind": hardware.fingerprint(),
        "code": environments.code_hash(),
        "commit": git.commit(),
        "frameworks": {environments.name(*key): _environment_facts(probe) for key, probe in launcher.probes.items()},
        "data": {name: data.sha256 for name, data in launcher.data.items()},
        "ceilings": [
            {**point._asdict(), **dataclasses.asdict(ceiling)} for point, ceiling in launcher.ceilings.items()
        ],
        "worker_variables": {k: v for k, v in environments.FIXED.items() if k != "PYTHONPATH"},
        "openblas_coretype": environments.FIXED.get("OPENBLAS_CORETYPE", "not set: each library looks for itself"),
        "python": sys.version.split()[0],
    }


def _environment_facts(probe: Probe) -> Row:
    """Return what is recorded of a framework's environment."""
    lock = environments.lock_hash(probe.framework, probe.device)
    about = {"lock": lock, "versions": probe.facts.get("versions"), **probe.facts.get("libraries", {})}
    if not probe.missing:
        about["packages"] = environments.packages(probe.framework, probe.device)
    system = environments.system_versions(probe.framework)
    return about | {"system_packages": system} if system else about
