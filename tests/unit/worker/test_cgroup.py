"""What control groups hold a process to, from files as machines of several kinds have them."""

from __future__ import annotations

import pytest

from benchmarks.worker import cgroup
from benchmarks.worker.cgroup import Throttling

V2 = "30 23 0:26 / {}/g rw - cgroup2 cgroup2 rw\n"
V2_REMAPPED = "30 23 0:26 /pods/x {}/g rw - cgroup2 cgroup2 rw\n"
V1 = "35 31 0:32 / {}/cpu rw - cgroup cgroup rw,cpu,cpuacct\n36 31 0:38 / {}/unified rw - cgroup2 cgroup2 rw\n"
V1_REMAPPED = "35 31 0:32 /docker/abc {}/cpu ro - cgroup cgroup rw,cpu\n"


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Pretend control groups: lines of mountinfo and of /proc/self/cgroup, and files by their path."""

    def pretend(mounts, memberships, **files):
        for name, text in (("MOUNTS", mounts.replace("{}", str(tmp_path))), ("MEMBERSHIPS", memberships)):
            (tmp_path / name).write_text(text)
            monkeypatch.setattr(cgroup, name, tmp_path / name)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        cgroup.cpu_groups.cache_clear()

    yield pretend
    cgroup.cpu_groups.cache_clear()


@pytest.mark.parametrize(
    ("mounts", "memberships", "files", "cpus"),
    [
        (V2, "0::/a/b\n", {"g/a/b/cpu.max": "max 100000", "g/a/cpu.max": "150000 100000"}, 1.5),
        (V2, "0::/a/b\n", {"g/a/b/cpu.max": "50000 100000", "g/a/cpu.max": "150000 100000"}, 0.5),
        (V2, "0::/a\n", {"g/a/cpu.max": "max 100000", "g/c/cpu.max": "50000 100000"}, None),
        (V2, "0::/\n", {"g/cpu.max": "200000 100000"}, 2.0),  # a container with a namespace of its own
        (V2_REMAPPED, "0::/pods/x/y\n", {"g/cpu.max": "max 100000", "g/y/cpu.max": "70000 100000"}, 0.7),
        (V2_REMAPPED, "0::/pods/xy\n", {"g/cpu.max": "70000 100000"}, None),  # another's
        (V1, "3:cpu,cpuacct:/x\n0::/\n", {"cpu/x/cpu.cfs_quota_us": "400000", "cpu/x/cpu.cfs_period_us": "100000"}, 4),
        (V1, "3:cpu:/x\n0::/\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, None),
        (
            V1_REMAPPED,
            "3:cpu:/docker/abc\n",
            {"cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.cfs_period_us": "100000"},
            0.25,
        ),
        (V2, "0::/not/here\n", {}, None),
        ("22 1 0:21 / /proc rw - proc proc rw\n", "", {}, None),
    ],
)
def test_the_quota_is_the_smallest_from_our_own_group_upwards(groups, mounts, memberships, files, cpus):
    groups(mounts, memberships, **files)
    assert cgroup.quota_cpus() == cpus


def test_what_our_own_group_and_those_above_it_were_held_back(groups):
    counts = "nr_periods 20\nnr_throttled {}\nthrottled_usec {}"
    root = {"g/cpu.stat": "usage_usec 5\nuser_usec 3"}  # a root's has no throttling
    groups(
        V2,
        "0::/a/b\n",
        **{"g/a/b/cpu.stat": counts.format(3, 1_500_000), "g/a/cpu.stat": counts.format(1, 250_000)},
        **root,
    )
    assert cgroup.throttling() == Throttling(4, 1.75)
    old = {"cpu/x/cpu.stat": "nr_periods 9\nnr_throttled 2\nthrottled_time 700000000\nwait_sum 12"}
    groups(V1, "3:cpu:/x\n", **old, **{"cpu/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0"})
    assert cgroup.throttling() == Throttling(2, 0.7)


def test_a_group_that_counts_nothing_held_nothing_back(groups):
    groups(V2, "0::/not/here\n")
    assert cgroup.throttling() == Throttling(0, 0.0)
