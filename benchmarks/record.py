"""What is written down once per run, before anything is measured: the facts that all of its rows refer to."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks import environments, machine
from benchmarks.datasets import Prepared
from benchmarks.frameworks import Probe
from benchmarks.peak import Point
from benchmarks.roofline import Ceiling

Facts = dict[str, Any]


def facts(
    probes: Mapping[tuple[str, str], Probe], data: Mapping[str, Prepared], ceilings: Mapping[Point, Ceiling]
) -> Facts:
    """Return the machine, the code, each framework's environment, the data and the ceilings that rows are held to."""
    return {
        "machine": machine.facts(),
        "machine_kind": machine.fingerprint(),
        "code": environments.code_hash(),
        "commit": environments.commit(),
        "frameworks": {environments.name(*key): about(probe) for key, probe in probes.items()},
        "data": {name: found.sha256 for name, found in data.items()},
        "ceilings": [{**point._asdict(), **dataclasses.asdict(ceiling)} for point, ceiling in ceilings.items()],
        "worker_variables": {k: v for k, v in environments.FIXED.items() if k != "PYTHONPATH"},
        "openblas_coretype": environments.FIXED.get("OPENBLAS_CORETYPE", "not set: each library looks for itself"),
        "python": sys.version.split()[0],
    }


def about(probe: Probe) -> Facts:
    """Return what is recorded of a framework's environment."""
    lock = environments.lock_hash(probe.framework, probe.device)
    return {"lock": lock, "versions": probe.facts.get("versions"), **probe.facts.get("libraries", {})}
