"""Run a module with wrong clocks: `python -m tests.engine.slow_clock [--wall-offset S] RATE MODULE ARGUMENTS...`.

A figure must not depend on whether machines agree about the time. From its start this process reads clocks that run at
RATE of the true rate (0.9: six seconds a minute too slow), and a wall clock that is S seconds ahead (negative: behind).
time.sleep lasts its seconds on the slow clock, and so do asyncio's timers, whose loop asks time.monotonic. What the
kernel times itself (locks, select, socket timeouts) lasts true seconds; so do time.clock_gettime, which noise.py
compares with itself, and every process that this one starts.
"""

from __future__ import annotations

import argparse
import datetime
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

NAMES = ("time", "monotonic", "perf_counter")
NS = 1_000_000_000


def slowed(true_ns: Callable[[], int], rate: float, offset_ns: int = 0) -> Callable[[], int]:
    """Return a clock in ns that shows the true time and an offset now and then runs at a rate."""
    start_ns = true_ns()
    return lambda: start_ns + offset_ns + round((true_ns() - start_ns) * rate)


def in_seconds(clock_ns: Callable[[], int]) -> Callable[[], float]:
    return lambda: clock_ns() / NS


def replacements(rate: float, wall_offset_s: float) -> dict[Any, Any]:
    """Return by which function each of time's functions is to be replaced."""
    by: dict[Any, Any] = {}
    for name in NAMES:
        offset_ns = round(wall_offset_s * NS) if name == "time" else 0
        clock_ns = slowed(getattr(time, f"{name}_ns"), rate, offset_ns)
        by |= {getattr(time, f"{name}_ns"): clock_ns, getattr(time, name): in_seconds(clock_ns)}
    true_sleep = time.sleep
    by[time.sleep] = lambda seconds: true_sleep(seconds / rate)
    for original, other in by.items():  # under its true name another process unpickles its own: Dask sends functions so
        other.__module__, other.__name__, other.__qualname__ = "time", original.__name__, original.__name__
    return by


class Instances(type):
    """What C code made is an instance too, though of the true class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return type.__instancecheck__(cls.__mro__[1] if cls is SlowDatetime else cls, instance)


class SlowDatetime(datetime.datetime, metaclass=Instances):
    """datetime.datetime that asks time.time for the time of day, as today() does; pickled under the true name."""

    __module__, __qualname__ = "datetime", "datetime"

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> SlowDatetime:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> SlowDatetime:
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


def slow(rate: float, wall_offset_s: float) -> None:
    """Make this process's clocks wrong, for what is imported from now on; so far nothing has taken a clock by name."""
    if rate <= 0:
        raise SystemExit(f"asked for clocks at {rate} of the true rate; they must go forward; say e.g. 0.9")
    for original, other in replacements(rate, wall_offset_s).items():
        setattr(time, original.__name__, other)
    datetime.datetime = SlowDatetime


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.engine.slow_clock")
    parser.add_argument("--wall-offset", type=float, default=0.0, metavar="S", help="the wall clock is S s ahead")
    parser.add_argument("rate", type=float, help="of the clocks; 1 is right")
    parser.add_argument("module", help="run as python -m runs it")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    slow(asked.rate, asked.wall_offset)
    sys.argv = [asked.module, *asked.arguments]
    runpy.run_module(asked.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
