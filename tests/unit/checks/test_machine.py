from __future__ import annotations

import pytest

from benchmarks.checks import doctor


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
