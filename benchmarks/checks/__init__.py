"""What is wrong with this machine and with these results, in plain words: a section a file, a list of findings each.

    environments | machine | disk | data     this machine
    results | rules                          a folder of results files, which `report` reads: only it knows tables

A check only looks: it changes nothing and reaches no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.checks import doctor
from benchmarks.checks.finding import Finding


def run(folder: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each section's name and findings; `folder` holds the results."""
    yield "environments", list(doctor.environment_findings())
    yield "machine", list(doctor.machine_findings())
    yield "disk", list(doctor.disk_findings(folder))
    yield "data", list(doctor.data_findings())
    yield from doctor.sections(folder)
