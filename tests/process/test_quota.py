"""A real quota of CPU time: a process in a control group of its own, where this user may make one."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

from benchmarks.machine import environments
from benchmarks.worker import cgroup

HELD = """
import json, sys, time
from benchmarks.worker import cgroup, interference
from benchmarks.machine import hardware
before = interference.read()
end = time.perf_counter() + 0.5
while time.perf_counter() < end:
    pass
found = interference.read().since(before)
row = interference.columns([found])
print(json.dumps([cgroup.quota_cpus(), hardware.most_threads(), row["cpu_throttled_s"], interference.flags([found])]))
"""
ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


@pytest.fixture
def small_group():
    """Yield a new group below this process's own whose members may use a fifth of one CPU."""
    place = cgroup.located("cpu", cgroup.MOUNTS.read_text(), cgroup.MEMBERSHIPS.read_text())
    if place is None:
        pytest.skip("no control groups here")
    group = place.folder / f"lockstep-test-{uuid.uuid4().hex[:8]}"
    files = {1: {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "10000"}, 2: {"cpu.max": "10000 50000"}}
    try:
        group.mkdir()
        for name, text in files[place.version].items():
            (group / name).write_text(text)
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"this user may not make a group with a quota: {error.strerror}")
    yield group
    group.rmdir()


def test_a_quota_is_found_and_what_it_held_back_is_flagged(small_group):
    command = ["/bin/sh", "-c", ENTER, str(small_group), sys.executable, "-c", HELD]
    done = subprocess.run(command, capture_output=True, text=True, cwd=environments.ROOT, check=False)
    if done.returncode and "cgroup.procs" in done.stderr:
        pytest.skip(f"this user may not put a process into a group: {done.stderr.strip()}")
    assert not done.returncode, done.stderr
    quota, threads, throttled_s, flags = json.loads(done.stdout)
    assert (quota, threads) == (0.2, 1)
    assert throttled_s > 0.1
    assert "throttled" in flags
