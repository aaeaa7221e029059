"""A wall clock that jumps changes no figure; a suspend marks the rows that it fell into."""

from __future__ import annotations

import ast

import pytest

from benchmarks.machine.environments import ROOT
from benchmarks.machine.noise import AWAKE_S, Suspend

WALL = {"time", "time_ns", "now", "utcnow", "today", "gmtime", "localtime"}
MODULES = {"time", "datetime", "date"}


def wall_clock(node):
    """Return whether this is a call that reads the time of day: time.time(), datetime.datetime.now(...)."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in WALL:
        return False
    of = node.func.value
    return (of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")) in MODULES


def assignments(tree):
    """Yield what is assigned to what, the places of two tuples one by one."""
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=True)
            else:
                yield target, node.value


def computed(tree):
    """Yield the lines on which a time of day, or a name that one was assigned to, is computed or compared with."""
    calls = {id(node) for node in ast.walk(tree) if wall_clock(node)}
    names = set()
    for target, value in assignments(tree):
        if any(id(part) in calls for part in ast.walk(value)):
            names |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
    for function in ast.walk(tree):
        if isinstance(function, ast.BinOp | ast.Compare | ast.AugAssign):
            parts = list(ast.iter_child_nodes(function))
            if any(id(part) in calls or (isinstance(part, ast.Name) and part.id in names) for part in parts):
                yield function.lineno


@pytest.mark.parametrize(
    "bad",
    [
        "import time\nstart = time.time()\nwork()\ntaken = time.time() - start",
        "import time\ndeadline = 5 + time.time_ns()",
        "import datetime\nstart = datetime.datetime.now(datetime.UTC)\nif start > limit: pass",
    ],
)
def test_the_check_finds_what_it_is_for(bad):
    assert list(computed(ast.parse(bad)))


TOLD_APART = {"workers.py": 1}  # how far a member's time of day is from the driver's: what people are told of it


@pytest.mark.fault(20)
def test_no_time_of_day_is_computed_with_where_things_are_measured():
    """Of datetime only names and `started_at`, for people, are made."""
    readers = set()
    for package in ("adapters", "benchmarks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            assert len(list(computed(tree))) == TOLD_APART.get(path.name, 0), path.name
            readers |= {path.name} if any(wall_clock(node) for node in ast.walk(tree)) else set()
    assert {"local.py", "target.py"} <= readers


JUMPS = """
import datetime, itertools, time
from tests.process.faults.harness import main, register

real, jumps = datetime.datetime, itertools.cycle((86400, -86400, 7200, -30 * 86400))

class Jumping(real):
    @classmethod
    def now(cls, tz=None):
        return real.fromtimestamp(time.time(), tz)

true = time.time
time.time = lambda: true() + next(jumps)
datetime.datetime = Jumping
register()
main()
"""


@pytest.mark.fault(20)
def test_a_wall_clock_that_jumps_by_days_changes_no_duration(program, rows):
    """The time of day that the parent sees jumps at every look: to set the machine's own clock would harm others."""
    done = program(JUMPS, "--framework", "fake-fake,instant-0", "--timeout", "60")
    assert done.returncode == 0, done.stderr
    found = rows()
    assert {row["status"] for row in found} == {"ok"}
    assert all(0 < row["duration_s"] < 60 for row in found)
    assert len({row["started_at"][:10] for row in found} | {row["sweep"][:8] for row in found}) > 1


SLEEPS = """
from benchmarks.machine import noise
from tests.process.faults.harness import main, register

real, slept = noise._suspended_s, 0.0

def suspended_s():
    global slept
    slept += SECONDS
    return real() + slept

noise._run_on = lambda cpus: [1.0] * len(cpus)
noise._suspended_s = suspended_s
register()
main()
"""


@pytest.mark.fault(20)
@pytest.mark.parametrize(("seconds", "flags"), [(0.0, []), (1.5, ["noisy"])])
def test_a_suspend_during_a_launch_marks_its_row(program, rows, seconds, flags):
    """The nearest thing: two readings of the kernel's count of suspended time are made to differ.

    Nothing here can be suspended without suspending everyone on this machine, and a time namespace shifts
    CLOCK_BOOTTIME by an amount that is fixed before its first process starts, so that it cannot grow under a launch.
    """
    done = program(SLEEPS.replace("SECONDS", str(seconds)), "--framework", "instant-0", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert {row["task"]: row["flags"] for row in rows()} == {"speed": flags, "accuracy": flags}


def test_the_machine_has_not_slept_within_this_test():
    with Suspend() as suspend:
        pass
    assert abs(suspend.asleep_s) < AWAKE_S
    assert suspend.flags() == set()
