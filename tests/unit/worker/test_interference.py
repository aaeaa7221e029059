from __future__ import annotations

import os
import resource
import types

import pytest

from benchmarks.worker import interference
from benchmarks.worker.cgroup import Throttling
from benchmarks.worker.interference import Counters

STAT = """cpu  100 0 100 1000 0 0 0 50 0 0
cpu0 60 1 40 500 7 2 3 50 9 0
cpu1 40 0 60 500 0 0 0 0 0 0
cpu10 1000 0 0 0 0 0 0 1000 0 0
intr 1 2 3
"""


QUIET = {
    "wall_s": 1.0, "cpu_s": 2.0, "busy_s": 2.0, "stolen_s": 0.0, "pressure_s": 0.0, "switches": 0, "throttles": 0,
    "throttled_s": 0.0, "swapped": 0,
}  # fmt: skip


def chunk(**values):
    return Counters(**(QUIET | values))


def test_only_the_worker_s_cpus_count():
    tick = interference.TICK_S
    assert interference._cpu_times(STAT, {0, 1}) == pytest.approx(((60 + 1 + 40 + 2 + 3 + 100) * tick, 50 * tick))
    assert interference._cpu_times(STAT, {1}) == pytest.approx((100 * tick, 0))


def test_what_others_took_is_a_share_of_all_the_cpus_time():
    chunks = [chunk(), chunk(busy_s=2.4, stolen_s=0.1)]
    assert interference._shares(chunks, 2) == pytest.approx((0.1 / 4, 0.4 / 4))
    assert interference._shares([chunk(busy_s=1.99)], 2) == (0.0, 0.0)  # ticks may count a little less


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, []),
        ({"stolen_s": 0.05}, ["noisy"]),
        ({"busy_s": 2.2}, ["noisy"]),
        ({"stolen_s": 0.03}, []),
        ({"throttles": 1}, ["throttled"]),  # the kernel counts its seconds when it goes on
        ({"throttled_s": 0.2}, ["throttled"]),
        ({"swapped": 1, "throttles": 2}, ["noisy", "throttled"]),
    ],
)
def test_a_launch_is_marked_above_the_tolerated_share(values, found, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert interference.flags([chunk(**values)]) == found


def test_heat_makes_a_launch_noisy(tmp_path, monkeypatch):
    monkeypatch.setattr(interference, "SYSFS_CPU", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2})
    assert interference.heat() == 0  # a virtual machine has no such files
    for cpu, core, package in ((0, 3, 10), (1, 100, 10), (2, 4, 10)):
        (folder := tmp_path / f"cpu{cpu}" / "thermal_throttle").mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{core}\n")
        (folder / "package_throttle_count").write_text(f"{package}\n")
    assert interference.heat() == 3 + 4 + 2 * 10
    assert interference.flags([chunk()], hot=True) == ["noisy"]


def test_counters_come_from_the_kernel_s_files(tmp_path, monkeypatch):
    held = iter([Throttling(1, 0.5), Throttling(3, 0.75)])
    monkeypatch.setattr(interference.cgroup, "throttling", lambda: next(held))
    monkeypatch.setattr(interference, "VMSTAT", tmp_path / "vmstat")
    used = (types.SimpleNamespace(ru_nivcsw=0, ru_majflt=faults) for faults in (7, 9))
    monkeypatch.setattr(resource, "getrusage", lambda who: next(used))
    (tmp_path / "vmstat").write_text("pgpgin 5\npswpin 10\npswpout 20\npgmajfault 99\n")
    before = interference.read()
    (tmp_path / "vmstat").write_text("pgpgin 9\npswpin 11\npswpout 24\npgmajfault 199\n")
    found = interference.read().since(before)
    assert (found.throttles, found.throttled_s, found.swapped) == (2, 0.25, 5 + 2)


def test_the_row_has_the_seconds_of_all_chunks_where_a_group_tells(monkeypatch):
    chunks = [chunk(throttled_s=0.25), chunk(throttled_s=0.5)]
    for folders, seconds in (((tuple("x")), 0.75), ((), None)):
        monkeypatch.setattr(interference.cgroup, "cpu_groups", lambda folders=folders: folders)
        assert interference.columns(chunks)["cpu_throttled_s"] == seconds
