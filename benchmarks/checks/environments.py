"""Is each framework's environment there, does it answer, and does it hold what its requirements pin?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks import environments
from benchmarks.checks.finding import Finding
from benchmarks.devices import KINDS
from benchmarks.frameworks import Probe, probe_all

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^\s;\\]+)", re.MULTILINE)
NAMED = 3  # packages that differ are named up to so many


def findings() -> Iterator[Finding]:
    """Yield a finding for each framework on each kind of device."""
    for (framework, device), probe in probe_all(list(ADAPTERS), KINDS).items():
        if not (device == "gpu" and framework in CPU_ONLY):
            yield judged(probe)


def judged(probe: Probe) -> Finding:
    """Return what is wrong with one environment."""
    what = f"{probe.framework} on {probe.device}"
    if probe.missing:
        found, _, advice = probe.problem.removeprefix(f"{what}: ").partition("; ")
        return Finding("warning" if probe.device == "cpu" else "note", what, found, advice)
    environment = environments.name(probe.framework, probe.device)
    anew = f"make it anew with: tox run --recreate --notest -e {environment}"
    if probe.problem and not probe.facts:
        return Finding("error", what, probe.problem.removeprefix(f"{what} "), anew)
    if probe.problem:
        return Finding("warning", what, probe.problem, "check the driver, and CUDA_VISIBLE_DEVICES")
    folder = environments.interpreter(probe.framework, probe.device).parents[1]
    pins = pinned(environments.ROOT / "requirements" / f"{environment}.txt")
    there = {normal(found.name): found.version for found in metadata.distributions(path=site_packages(folder))}
    wrong = [name for name in pins if there.get(name) != pins[name]]
    differ = [f"{name} {there.get(name, 'missing')} in place of {pins[name]}" for name in wrong]
    if differ:
        more = f" and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
        return Finding("error", what, f"not as pinned: {', '.join(differ[:NAMED])}{more}", anew)
    return Finding("ok", what, f"{probe.version} answers, {len(pins)} packages as pinned")


def pinned(path: Path) -> dict[str, str]:
    """Return the versions that a requirements file pins, by name."""
    return {normal(name): version for name, version in PINNED.findall(path.read_text())}


def normal(name: str) -> str:
    """Return a package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site_packages(folder: Path) -> list[str]:
    """Return where an environment keeps its packages."""
    return [str(path) for path in folder.glob("lib/python3.*/site-packages")]
