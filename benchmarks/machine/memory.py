"""The memory limit of a worker, and the kernel's word that it went beyond it: control groups, versions 1 and 2.

cgroups(7); https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.errors import UsageError
from benchmarks.worker import cgroup, supervisor

PREFIX = "lockstep-"
EVENTS = {1: "memory.oom_control", 2: "memory.events"}  # both have a line `oom_kill N` (v1 since Linux 4.13)
LIMIT_FILES = {  # the second: no way out into swap, where there is any
    1: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    2: ("memory.max", "memory.swap.max"),
}


@dataclass(frozen=True)
class Group:
    """One control group of memory: its folder, and whether it is of version 1 or 2."""

    folder: Path
    version: int

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel killed here for lack of memory; None where it does not say."""
        try:
            found = re.search(r"^oom_kill (\d+)", (self.folder / EVENTS[self.version]).read_text(), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) if found else None

    def limit(self, size_bytes: int) -> None:
        """Bound the memory, and the swap as far as there is any, of all members together; OSError if it cannot be."""
        memory, swap = LIMIT_FILES[self.version]
        (self.folder / memory).write_text(str(size_bytes))
        with contextlib.suppress(OSError):
            if (self.folder / swap).exists():
                (self.folder / swap).write_text(str(size_bytes) if self.version == 1 else "0")

    def child(self, size_bytes: int) -> Group:
        """Make a group below this one, named by this process, with a limit; OSError if it cannot be."""
        made = Group(self.folder / f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}", self.version)
        made.folder.mkdir()
        try:
            made.limit(size_bytes)
        except OSError:
            made.remove()
            raise
        return made

    def remove(self) -> None:
        """Remove this group; one that still has members stays, and a later run's sweep() takes it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def sweep(self) -> None:
        """Remove the empty groups below this one that processes of ours left when they were killed."""
        for folder in self.folder.glob(f"{PREFIX}*"):
            owner = folder.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdecimal() and not psutil.pid_exists(int(owner)):
                Group(folder, self.version).remove()


@functools.cache
def _own_group() -> Group | None:
    """Return the group that accounts this process's memory; None where we see none."""
    return _located(cgroup.MOUNTS.read_text(), cgroup.MEMBERSHIPS.read_text())


def _located(mounts: str, memberships: str) -> Group | None:
    """Return the group that mountinfo and cgroup of proc(5) say."""
    found = cgroup.located("memory", mounts, memberships)
    return Group(found.folder, found.version) if found else None


def _where_children_may_be() -> Group | None:
    """Return the group below which this user may confine a process, found by doing it; None where none may be.

    In version 2 a group with members hands no memory to children of its own; then the parent of ours is tried.
    """
    ours = _own_group()
    if ours is None:
        return None
    if ours.version == 1:
        places = [ours]
    else:
        places = [Group(folder, 2) for folder in (ours.folder, ours.folder.parent) if _hands_memory_down(folder)]
    return next((place for place in places if _confines(place)), None)


def _hands_memory_down(folder: Path) -> bool:
    """Return whether children of a version 2 group have a memory controller."""
    try:
        return "memory" in (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


def _confines(place: Group) -> bool:
    """Return whether a process can be put into a new group below this one."""
    place.sweep()
    try:
        made = place.child(1 << 30)
    except OSError:
        return False
    enter = ["/bin/sh", "-c", 'echo $$ > "$1"', "sh", str(made.folder / "cgroup.procs")]
    try:
        done = subprocess.run(enter, check=False, capture_output=True).returncode == 0
    except OSError:
        done = False
    made.remove()
    return done and made.oom_kills() is None  # it is gone again


SIZE = re.compile(r"([1-9][0-9]{0,11})([KMGT])")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SMALLEST_BYTES = 64 << 20  # Python with NumPy needs half of it


def size_bytes(text: str) -> int:
    """Return the bytes of a size like 500M or 4G; UsageError otherwise, and for less than Python itself needs."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"--memory-limit {text!r}: expected a whole number and K, M, G or T, such as 500M or 4G")
    found = int(match[1]) * UNITS[match[2]]
    if not SMALLEST_BYTES <= found < 2**63:
        raise UsageError(f"--memory-limit {text!r}: expected at least {SMALLEST_BYTES >> 20}M, and less than 8388608T")
    return found


@dataclass
class MemoryWatch:
    """What the kernel did to one launch: `argument` is the supervisor's, `killed()` is asked after the worker's end."""

    argument: str
    group: Group | None
    limit: str  # in words, empty where there is none
    before: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.group.oom_kills() if self.group else None

    def killed(self) -> str:
        """Return the evidence that the kernel killed for memory in the worker's group since then; empty without any."""
        now = self.group.oom_kills() if self.group else None
        if self.group is None or now is None or self.before is None or now <= self.before:
            return ""
        where = f"control group v{self.group.version}"
        return f"the kernel killed for memory (oom_kill of the {where}: {self.before} to {now}){self.limit}"


@dataclass(frozen=True)
class MemoryLimit:
    """How much memory a worker may have, and what enforces that; no limit by default."""

    limit_bytes: int | None = None
    place: Group | None = None  # below it each worker gets a group; None: RLIMIT_DATA

    @classmethod
    def for_bytes(cls, limit_bytes: int | None) -> MemoryLimit:
        """Return the limit, enforced by the best means that this machine and user have; None: no limit."""
        return cls() if limit_bytes is None else cls(limit_bytes, _where_children_may_be())

    def means(self) -> str:
        """Return what enforces the limit, empty without one."""
        if self.limit_bytes is None:
            return ""
        return f"cgroup v{self.place.version}" if self.place else "RLIMIT_DATA"

    def about(self) -> dict[str, int | str | None]:
        """Return the limit as the run's record holds it."""
        return {"bytes": self.limit_bytes, "means": self.means() or None}

    @contextlib.contextmanager
    def watch(self) -> Iterator[MemoryWatch]:
        """Yield the watch over one launch; OSError where its group cannot be made.

        Without a group of its own a worker is in ours, where a kill counts as evidence only beside its own SIGKILL.
        """
        if self.limit_bytes is None or self.place is None:
            words = "" if self.limit_bytes is None else f"{supervisor.RLIMIT}{self.limit_bytes}"
            yield MemoryWatch(words, _own_group(), "")
            return
        group = self.place.child(self.limit_bytes)
        try:
            yield MemoryWatch(
                f"{supervisor.GROUP}{group.folder}", group, f", --memory-limit {self.limit_bytes:,} bytes"
            )
        finally:
            group.remove()


UNLIMITED = MemoryLimit()
