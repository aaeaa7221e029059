"""Which control group is ours, from what the kernel says on machines of several kinds."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from benchmarks.machine import memory
from benchmarks.machine.memory import Group, _located

V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
DOCKER = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("mounts", "memberships", "expected"),
    [
        (V2, "0::/user.slice/a.scope\n", Group(Path("/sys/fs/cgroup/user.slice/a.scope"), 2)),
        (V2, "0::/\n", Group(Path("/sys/fs/cgroup"), 2)),
        (V1 + UNIFIED, "4:memory:/x/y\n3:cpu:/\n0::/\n", Group(Path("/sys/fs/cgroup/memory/x/y"), 1)),
        (DOCKER, "4:memory:/docker/abc\n", Group(Path("/sys/fs/cgroup/memory"), 1)),
        (DOCKER, "4:memory:/docker/abc/d\n", Group(Path("/sys/fs/cgroup/memory/d"), 1)),
        (DOCKER, "4:memory:/docker/abcd\n", None),
        (V2, "0::/../..\n", None),  # outside of what this namespace sees
        ("22 1 0:21 / /proc rw - proc proc rw\n", "", None),
        (
            V1.replace("/memory rw", "/with\\040space rw"),
            "4:cpu,memory:/x\n",
            Group(Path("/sys/fs/cgroup/with space/x"), 1),
        ),
    ],
)
def test_the_group_of_this_process(mounts, memberships, expected):
    assert _located(mounts, memberships) == expected


@pytest.mark.parametrize(("version", "name"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_kills_are_counted_and_nothing_is_guessed(tmp_path, version, name):
    group = Group(tmp_path, version)
    assert group.oom_kills() is None
    (tmp_path / name).write_text("oom 7\n")
    assert group.oom_kills() is None
    (tmp_path / name).write_text("under_oom 0\noom 7\noom_kill 3\noom_group_kill 1\n")
    assert group.oom_kills() == 3


def test_limits_are_written_swap_included(tmp_path):
    (tmp_path / "memory.swap.max").write_text("max")
    Group(tmp_path, 2).limit(1000)
    assert [(tmp_path / name).read_text() for name in ("memory.max", "memory.swap.max")] == ["1000", "0"]
    Group(tmp_path, 1).limit(1000)
    assert (tmp_path / "memory.limit_in_bytes").read_text() == "1000"
    assert not (tmp_path / "memory.memsw.limit_in_bytes").exists()


def test_groups_that_a_killed_harness_left_are_removed_and_no_others(tmp_path):
    dead = next(pid for pid in range(4_000_000, 1, -1) if not psutil.pid_exists(pid))
    for name in (f"lockstep-{dead}-abc", f"lockstep-{os.getpid()}-abc", "lockstep-x", f"other-{dead}"):
        (tmp_path / name).mkdir()
    (tmp_path / f"lockstep-{dead}-full").mkdir()
    (tmp_path / f"lockstep-{dead}-full" / "member").touch()
    Group(tmp_path, 1).sweep()
    left = {f"lockstep-{os.getpid()}-abc", "lockstep-x", f"other-{dead}", f"lockstep-{dead}-full"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_a_parent_that_hands_memory_down_is_tried_where_ours_does_not(tmp_path, monkeypatch):
    (ours := tmp_path / "parent" / "ours").mkdir(parents=True)
    (ours / "cgroup.subtree_control").write_text("cpu\n")
    (ours.parent / "cgroup.subtree_control").write_text("cpu memory\n")
    tried = []
    monkeypatch.setattr(memory, "_own_group", lambda: Group(ours, 2))
    monkeypatch.setattr(memory, "_confines", lambda place: tried.append(place.folder) or True)
    assert memory._where_children_may_be() == Group(ours.parent, 2)
    assert tried == [ours.parent]
