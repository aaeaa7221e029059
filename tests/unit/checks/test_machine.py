from __future__ import annotations

import pytest

from benchmarks.checks import doctor
from benchmarks.machine import hardware


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Pretend control groups: what /proc/self/cgroup says, and files by their path below /sys/fs/cgroup."""

    def pretend(own, **files):
        monkeypatch.setattr(hardware, "CGROUP", tmp_path / "cgroup")
        monkeypatch.setattr(doctor, "OWN_GROUP", tmp_path / "own")
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return doctor._quota_cpus()

    return pretend


def test_the_smallest_quota_from_our_group_up_to_the_root_counts(groups):
    files = {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000", "c/cpu.max": "50000 100000"}
    assert groups("0::/a/b\n", **files) == 1.5


def test_an_old_control_group_says_quota_and_period(groups):
    files = {"cpu/x/cpu.cfs_quota_us": "400000", "cpu/x/cpu.cfs_period_us": "100000"}
    own = "4:memory:/y\n3:cpu,cpuacct:/x\n0::/\n"
    assert groups(own, **files) == 4.0
    assert groups(own, **files | {"cpu/x/cpu.cfs_quota_us": "-1"}) is None


def test_no_control_groups_are_no_quota(groups):
    assert groups("0::/not/here\n") is None


@pytest.mark.parametrize(("cpus", "level"), [(None, "ok"), (2.0, "ok"), (1.5, "warning")])
def test_a_quota_below_the_cores_is_a_warning(cpus, level):
    assert doctor._quota(cpus, cores=2).level == level


@pytest.mark.parametrize(
    ("cores", "allowed", "there", "level", "word"),
    [(4, 4, 4, "ok", ""), (4, 8, 8, "note", "SMT"), (2, 2, 8, "note", "2 of 8")],
)
def test_threads_are_told_from_cores(cores, allowed, there, level, word):
    finding = doctor._threads(cores, allowed, there)
    assert finding.level == level
    assert word in finding.found


@pytest.mark.parametrize(
    ("said", "level"), [([], "note"), (["performance"], "ok"), (["performance", "powersave"], "warning")]
)
def test_a_governor_that_saves_power_is_a_warning(tmp_path, said, level):
    files = [tmp_path / word for word in said]
    for path in files:
        path.write_text(path.name + "\n")
    assert doctor._governor(files).level == level


@pytest.mark.parametrize(("busy", "stolen", "level"), [(3, 0, "ok"), (30, 0, "warning"), (1, 5, "warning")])
def test_load_of_others_is_a_warning(busy, stolen, level):
    assert doctor._load(busy, stolen).level == level
