"""`--memory-limit`: what a user typed, how it is held to, and what the kernel says when a worker went beyond it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import cgroups, confinement
from benchmarks.errors import UsageError

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
class Watch:
    """What the kernel says of one launch: `argument` goes to the keeper, `killed()` is asked after the worker's end."""

    argument: str
    group: cgroups.Group | None
    limit: str  # in words, empty where there is none
    before: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.group.oom_kills() if self.group else None

    def killed(self) -> str:
        """Return the evidence that the kernel killed for memory in the worker's group meanwhile; empty without any."""
        now = self.group.oom_kills() if self.group else None
        if self.group is None or now is None or self.before is None or now <= self.before:
            return ""
        where = f"control group v{self.group.version}"
        return f"the kernel killed for memory (oom_kill of the {where}: {self.before} to {now}){self.limit}"


@dataclass(frozen=True)
class MemoryLimit:
    """How much memory a worker may have, and how it is held to that; none at all by default."""

    limit_bytes: int | None = None
    place: cgroups.Group | None = None  # below it each worker gets a group; None: RLIMIT_DATA

    @classmethod
    def of(cls, limit_bytes: int | None) -> MemoryLimit:
        """Return the limit with the best means that this machine and user have."""
        return cls() if limit_bytes is None else cls(limit_bytes, cgroups.where_children_may_be())

    def means(self) -> str:
        """Return by what the limit is held to, empty without one."""
        if self.limit_bytes is None:
            return ""
        return f"cgroup v{self.place.version}" if self.place else "RLIMIT_DATA"

    def about(self) -> dict[str, int | str | None]:
        """Return what the run's record says of it."""
        return {"bytes": self.limit_bytes, "means": self.means() or None}

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watch]:
        """Yield the watch over one launch; OSError where its group cannot be made.

        Without a group of its own a worker is in ours, where a kill counts as evidence only beside its own SIGKILL.
        """
        if self.limit_bytes is None or self.place is None:
            words = "" if self.limit_bytes is None else f"{confinement.RLIMIT}{self.limit_bytes}"
            yield Watch(words, cgroups.own(), "")
            return
        group = self.place.child(self.limit_bytes)
        try:
            yield Watch(cgroups.argument(group), group, f", --memory-limit {self.limit_bytes:,} bytes")
        finally:
            group.remove()
