"""What the machine can do where a sweep measures: its peak and its memory's bandwidth, kept or measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks import bandwidths, peak
from benchmarks.cells import Cell
from benchmarks.peak import Point
from benchmarks.roofline import Ceiling


def points(cells: Iterable[Cell]) -> list[Point]:
    """Return the points of some cells, each once."""
    return list(dict.fromkeys(Point(cell.device, cell.dtype, cell.threads) for cell in cells))


def ceilings(at: Iterable[Point], measure: bool, say: Callable[[str], None]) -> dict[Point, Ceiling]:
    """Return what is kept of this machine's peak and bandwidth for each point, measured first if asked for."""
    found = list(at)
    for point in found if measure else ():
        peak.measured(point, peak.there(point.device), report=say)
        if bandwidths.can_be_measured(point.device):
            bandwidths.measured(point, report=say)
    return {point: bandwidths.ceiling(point) for point in found}
