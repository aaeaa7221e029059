"""What a results file records beside its rows: the machine, the code, the environments, and a few digits of its data.

A page is made from that file alone.
"""

from __future__ import annotations

import base64
import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.launch.ceilings import Point
from benchmarks.launch.probe import Probe
from benchmarks.launch.roofline import Ceiling
from benchmarks.machine import environments, git, hardware
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.train import DIGITS

Array = npt.NDArray[np.uint8]


def _arrays(data: Prepared, part: str) -> tuple[Array, Array]:
    """Return images (N, H, W) and labels (N,) of `train` or `test`, mapped from the disk."""
    images, labels = (
        np.load(data.folder / f"{part}_{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in ("images", "labels")
    )
    return images, labels


def _pixels(image: Array) -> str:
    """Return an image's bytes, row after row, as base64."""
    return base64.b64encode(image.tobytes()).decode()


def dataset_facts(data: Prepared) -> dict[str, Any]:
    """Return a data set's record: class balance, and the first training image of each class that has one."""
    images, labels = _arrays(data, "train")
    firsts = [int(np.argmax(labels == digit)) for digit in range(DIGITS) if (labels == digit).any()]
    return {
        "name": data.name,
        "sha256": data.sha256,
        "train_counts": np.bincount(labels, minlength=DIGITS).tolist(),
        "test_counts": np.bincount(_arrays(data, "test")[1], minlength=DIGITS).tolist(),
        "height": images.shape[1],
        "width": images.shape[2],
        "samples": [_pixels(images[first]) for first in firsts],
    }


def test_image(data: Prepared, index: int) -> dict[str, Any]:
    """Return the record of one test image."""
    images, labels = _arrays(data, "test")
    found = {"dataset": data.name, "sha256": data.sha256, "index": index, "label": int(labels[index])}
    return {**found, "pixels": _pixels(images[index])}


Facts = dict[str, Any]


def run_facts(
    probes: Mapping[tuple[str, str], Probe], data: Mapping[str, Prepared], ceilings: Mapping[Point, Ceiling]
) -> Facts:
    """Return the machine, the code, each framework's environment, the data and the ceilings that rows are held to."""
    return {
        "machine": hardware.facts(),
        "machine_kind": hardware.fingerprint(),
        "code": environments.code_hash(),
        "commit": git.commit(),
        "frameworks": {environments.name(*key): _probe_facts(probe) for key, probe in probes.items()},
        "data": {name: found.sha256 for name, found in data.items()},
        "ceilings": [{**point._asdict(), **dataclasses.asdict(ceiling)} for point, ceiling in ceilings.items()],
        "worker_variables": {k: v for k, v in environments.FIXED.items() if k != "PYTHONPATH"},
        "openblas_coretype": environments.FIXED.get("OPENBLAS_CORETYPE", "not set: each library looks for itself"),
        "python": sys.version.split()[0],
    }


def _probe_facts(probe: Probe) -> Facts:
    """Return what is recorded of a framework's environment."""
    lock = environments.lock_hash(probe.framework, probe.device)
    return {"lock": lock, "versions": probe.facts.get("versions"), **probe.facts.get("libraries", {})}
