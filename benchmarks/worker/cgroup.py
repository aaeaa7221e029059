"""The control groups that this process is in, and what they hold it to: cgroups(7), versions 1 and 2.

A process is in one group of each hierarchy, `/proc/self/cgroup` says which, and `/proc/self/mountinfo` says where it
can be seen: in a container that is often the root of what is mounted. A quota of any group up to that root binds, so
all of them are looked at; what is above it cannot be seen from here.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import NamedTuple

MOUNTS, MEMBERSHIPS = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
THROTTLED = re.compile(r"^(nr_throttled|throttled_time|throttled_usec) (\d+)$", re.MULTILINE)  # v1: ns, v2: us


class Located(NamedTuple):
    """A group's folder, the root of its hierarchy as it is mounted here, and the version, 1 or 2."""

    folder: Path
    root: Path
    version: int

    def lineage(self) -> tuple[Path, ...]:
        """Return the folders of the group and of those above it, up to the root."""
        return tuple(folder for folder in (self.folder, *self.folder.parents) if folder.is_relative_to(self.root))


def located(controller: str, mounts: str, memberships: str) -> Located | None:
    """Return the group that mountinfo and cgroup of proc(5) say; None where we see none.

    It is of version 1 where the controller is mounted so.
    """
    paths = {}
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        paths[2 if not controllers else 1 if controller in controllers.split(",") else 0] = path
    found = {}
    for line in mounts.splitlines():
        fields, _, tail = line.partition(" - ")
        root, point = (field.replace("\\040", " ") for field in fields.split()[3:5])
        kind, _, options = tail.split()[:3]
        version = 2 if kind == "cgroup2" else 1 if kind == "cgroup" and controller in options.split(",") else 0
        path = paths.get(version, "")
        inside = path == root or path.startswith(root.rstrip("/") + "/")
        if version and inside and ".." not in path.split("/"):  # otherwise it lies outside of what is mounted here
            found[version] = Located(Path(point) / os.path.relpath(path, root), Path(point), version)
    return found.get(1) or found.get(2)


@functools.cache
def cpu_groups() -> tuple[Path, ...]:
    """Return the folders of the groups that may bound this process's CPU time, its own first; none where unseen."""
    try:
        found = located("cpu", MOUNTS.read_text(), MEMBERSHIPS.read_text())
    except OSError:
        return ()
    return found.lineage() if found else ()


def quota_cpus() -> float | None:
    """Return the smallest quota of CPU time that binds this process, in CPUs: 0.5 is half of one; None without one."""
    return min((cpus for cpus in map(_quota, cpu_groups()) if cpus is not None), default=None)


def _quota(folder: Path) -> float | None:
    """Return the quota of one group, in CPUs: version 2's cpu.max, or version 1's quota and period."""
    try:
        if (folder / "cpu.max").exists():
            amount, period = (folder / "cpu.max").read_text().split()
        else:
            amount, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    except OSError:  # a group that has no such limit
        return None
    return None if amount in ("max", "-1") else int(amount) / int(period)


class Throttling(NamedTuple):
    """How often the groups' quotas held their members back so far, and for how many seconds.

    The seconds are summed over CPUs and over the groups; the kernel adds them when the members go on.
    """

    times: int
    seconds: float


def throttling() -> Throttling:
    """Return what the kernel counts (cpu.stat); nothing where no group counts."""
    times, seconds = 0, 0.0
    for folder in cpu_groups():
        try:
            counts = dict(THROTTLED.findall((folder / "cpu.stat").read_text()))
        except OSError:
            continue
        times += int(counts.get("nr_throttled", 0))
        seconds += int(counts.get("throttled_time", 0)) / 1e9 + int(counts.get("throttled_usec", 0)) / 1e6
    return Throttling(times, seconds)
