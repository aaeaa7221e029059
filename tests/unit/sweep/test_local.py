"""When a comparison has been measured enough, with launches that only pretend."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.errors import StorageError
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.machine import environments, git, hardware
from benchmarks.plan.cells import PRESETS, Cell, Preset, Request, RequestedAxes
from benchmarks.plan.data.prepared import Prepared
from benchmarks.sweep import local
from benchmarks.sweep.local import LocalSweep
from report.results.load import load
from report.tables.compare import compare
from tests.kept import read_all, read_file

LOCK = environments.lock_hash("torch", "cpu")
FACTS = {"unsupported": {"eager float32 preloaded": None}, "versions": {}}


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(git, "commit", lambda: "0123456789ab")


class Pretended(Launcher):
    """Launches nothing: `speed(cell, round)` says what would have been measured, None for a failure."""

    speed = staticmethod(lambda cell, number: 1000.0)

    def measured(self, planned, folder):
        if planned.task == "accuracy":
            return {"status": "ok", "reason": "", "accuracy": 0.9, "mistakes": [3, 7, 3 + planned.round]}
        found = self.speed(planned.cell, planned.round)
        plan = {"chunk_steps": 10, "warm_up_chunks": 4, "eval_passes": 2}
        return {"status": "ok", "train_samples_per_s": found, **plan} if found else {"status": "crashed"}


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    def run(preset, speed, frameworks=("torch", "jax"), recipes=("mlp",), revisions=("",), **options):
        monkeypatch.setattr("benchmarks.machine.git.adapters_hash", lambda commit: f"hash of {commit}")
        cells = [
            Cell(name, recipe, "tiny", "cpu", 100, "eager", "float32", 1, revision=revision)
            for recipe in recipes
            for name in frameworks
            for revision in revisions
        ]
        probes = {(name, "cpu"): Probe(name, "cpu", facts=FACTS) for name in frameworks}
        for part in ("train", "test"):
            np.save(tmp_path / f"{part}_images.npy", np.zeros((20, 1, 28, 28), np.uint8))
            np.save(tmp_path / f"{part}_labels.npy", np.arange(20, dtype=np.uint8) % 10)
        data = {"tiny": Prepared("tiny", "0" * 64, tmp_path, 20, 20, "made up", (1, 28, 28), 10)}
        launcher = Pretended(probes, data, preset.chunk_s, timeout_s=60.0)
        launcher.speed = speed
        axes = RequestedAxes(frameworks, recipes, ["cpu"], [100], ["eager"], ["float32"], [1], ["preloaded"], revisions)
        request = Request(axes, ["tiny"], preset, tmp_path / "results", 60.0, 60.0, **options)
        sweep = LocalSweep(cells, launcher, request, first_round=lambda rows: run.first.append(list(rows)))
        monkeypatch.setattr(sweep.runner, "prove", lambda cells: None)
        sweep.run()
        return sweep, Counter((row["framework"], row["recipe"], row["task"]) for row in sweep.ledger.rows)

    run.results, run.first = tmp_path / "results", []
    return run


def test_the_rows_of_the_first_round_are_shown_once_it_is_complete_and_more_are_to_come(pretend):
    pretend(Preset(rounds=3, seeds=1), steady, recipes=("mlp", "lenet"))
    [rows] = pretend.first
    assert sorted((row["framework"], row["recipe"]) for row in rows) == [
        ("jax", "lenet"), ("jax", "mlp"), ("torch", "lenet"), ("torch", "mlp"),
    ]  # fmt: skip
    pretend(Preset(rounds=1, seeds=0), steady)
    pretend(Preset(rounds=0, seeds=2), steady)
    assert len(pretend.first) == 1


def steady(cell, number):
    return (1000.0 if cell.framework == "torch" else 500.0) * (1 + 0.2 * (number % 3))  # drifts together


def noisy(cell, number):
    return 1000.0 * (1 + 0.5 * ((number * (3 if cell.framework == "torch" else 7)) % 5))


def test_a_comparison_stops_at_the_first_look_that_is_precise(pretend):
    sweep, counts = pretend(PRESETS["standard"], steady)
    assert set(counts.values()) == {6, 3}
    [stop] = sweep.stops
    assert (stop["rounds"], stop["reason"], stop["recipe"]) == (6, "precise", "mlp")
    assert stop["half_width"] < 0.02


def test_one_that_never_is_goes_to_the_last_round(pretend):
    sweep, counts = pretend(PRESETS["thorough"], noisy)
    assert counts["torch", "mlp", "speed"] == 20
    assert counts["torch", "mlp", "accuracy"] == 10
    assert [stop["reason"] for stop in sweep.stops] == ["rounds"]


def test_comparisons_stop_each_by_itself(pretend):
    sweep, counts = pretend(
        PRESETS["standard"],
        lambda cell, n: (steady if cell.recipe == "mlp" else noisy)(cell, n),
        recipes=("mlp", "lenet"),
    )
    assert counts["jax", "mlp", "speed"] == 6
    assert counts["jax", "lenet", "speed"] == 20
    assert len(sweep.stops) == 2


def test_looks_are_the_only_moments_to_stop(pretend):
    sweep, _ = pretend(Preset(20, 0, looks=(4, 9), half_width=0.02), steady)
    assert [stop["rounds"] for stop in sweep.stops] == [4]
    sweep, _ = pretend(Preset(5, 0, looks=(9,), half_width=0.02), steady)
    assert [(stop["rounds"], stop["reason"]) for stop in sweep.stops] == [(5, "rounds")]


def test_quick_looks_at_nothing(pretend):
    sweep, counts = pretend(PRESETS["quick"], steady)
    assert counts["torch", "mlp", "speed"] == 3
    assert [stop["reason"] for stop in sweep.stops] == ["rounds"]


def test_the_time_cap_ends_rounds_but_never_before_each_cell_has_a_row(pretend):
    sweep, counts = pretend(PRESETS["standard"], noisy, recipes=("mlp", "lenet"), time_cap_s=0.0)
    assert {count for (_, _, task), count in counts.items() if task == "speed"} == {1}
    assert {stop["reason"] for stop in sweep.stops} == {"time cap"}


def test_a_cell_that_fails_has_its_rows_and_does_not_keep_the_others_from_stopping(pretend):
    sweep, counts = pretend(
        PRESETS["standard"],
        lambda cell, n: None if cell.framework == "mxnet" else steady(cell, n),
        frameworks=("torch", "jax", "mxnet"),
    )
    assert counts["mxnet", "mlp", "speed"] == 6
    assert [stop["reason"] for stop in sweep.stops] == ["precise"]


def test_stops_are_kept_beside_the_rows(pretend):
    sweep, counts = pretend(PRESETS["standard"], steady)
    kept = read_file(sweep.path)
    assert not kept.problems
    assert len(kept.rows) == sum(counts.values())
    assert [stop["reason"] for stop in kept.stops] == ["precise"]
    assert kept.run["preset"]["half_width"] == 0.02


def test_modes_are_said_to_be_recommended_only_where_all_are(pretend):
    sweep, _ = pretend(PRESETS["quick"], steady)
    assert sweep.recommended()
    sweep.cells.append(dataclasses.replace(sweep.cells[0], mode="fused"))
    assert not sweep.recommended()


def test_what_was_requested_is_reported_or_was_not_needed(pretend):
    sweep, counts = pretend(PRESETS["standard"], steady)
    kept = read_file(sweep.path)
    assert kept.run["requested"] == {"cells": 2, "launches": 2 * (20 + 3), "modes": "recommended"}
    assert (kept.end["reported"], kept.end["not_needed"]) == (2 * (6 + 3), 2 * 14)
    assert "interrupted" not in kept.end
    assert sweep.ledger.all_ok()
    assert sum(counts.values()) == 18


def test_a_row_that_the_schema_refuses_ends_no_other_s_row(pretend):
    pretend(PRESETS["quick"], lambda cell, number: -1.0)
    [kept] = read_all(pretend.results)
    assert [row["status"] for row in kept.rows] == ["invalid"] * 6 + ["ok"] * 2
    assert "train_samples_per_s" in kept.rows[0]["reason"]


def test_an_error_of_our_own_leaves_rows_for_what_it_prevented(pretend):
    """No disk is full: what is left is written, and the error shows itself."""

    def fail(cell, number):
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        pretend(PRESETS["quick"], fail)
    [kept] = read_all(pretend.results)
    assert [row["status"] for row in kept.rows] == ["interrupted"] * 8
    assert "ZeroDivisionError: a bug" in kept.rows[0]["reason"]


def test_the_data_and_the_images_that_were_misread_are_kept_once(pretend):
    sweep, _ = pretend(PRESETS["standard"], steady)
    found = read_file(sweep.path)
    assert [(one["name"], one["train_counts"], len(one["samples"])) for one in found.datasets] == [
        ("tiny", [2] * 10, 10)
    ]
    # of the first seed's launches only: those of two frameworks, which misread the same
    assert [(one["dataset"], one["index"], one["label"]) for one in found.images] == [("tiny", 3, 3), ("tiny", 7, 7)]
    assert {len(one["pixels"]) for one in found.images} == {1048}


def test_a_resumed_sweep_says_whose_launches_count_with_its_own(pretend):
    first, _ = pretend(PRESETS["quick"], steady)
    second, counts = pretend(PRESETS["quick"], steady, resume=True)
    assert read_file(second.path).run["resumes"] == [first.name]
    assert read_file(second.path).rows == []
    assert sum(counts.values()) == 8


@pytest.fixture
def counted(pretend, tmp_path):
    """Run a sweep with --resume; return all rows and the comparison made of them, by framework."""

    def run():
        pretend(PRESETS["quick"], steady, resume=True)
        frame = load(tmp_path / "results")
        return frame, compare(frame).set_index("framework")

    return run


@pytest.mark.fault(27)
def test_a_framework_s_new_lock_leaves_the_other_s_rows_and_mixes_with_no_old_ones(counted, monkeypatch):
    """A patched hash of pinned requirements. The new sweep resumes the old one, for the other framework's sake."""
    assert [len(counted()[0]) for _ in range(2)] == [8, 8]
    monkeypatch.setattr(environments, "lock_hash", lambda framework, device: "new" if framework == "jax" else LOCK)
    frame, table = counted()
    assert len(frame) == 8 + 4
    assert frame["session"].nunique() == 1
    assert table["launches"].to_dict() == {"torch": 3, "jax": 3}
    assert table["seeds"].to_dict() == {"torch": 1, "jax": 1}


@pytest.mark.fault(27)
@pytest.mark.parametrize(("where", "name"), [(hardware, "fingerprint"), (environments, "code_hash")])
def test_another_machine_or_code_makes_everything_again(counted, monkeypatch, where, name):
    """Patched hashes: there is one machine here."""
    counted()
    monkeypatch.setattr(where, name, lambda *of: "another")
    frame, table = counted()
    assert len(frame) == 2 * 8
    assert set(table["launches"]) == {3}
    assert len(table) == (4 if where is hardware else 2)  # speeds of two machines are two lines


@pytest.mark.fault(44)
def test_other_kernels_in_an_environment_make_its_launches_again(counted, monkeypatch):
    assert [len(counted()[0]) for _ in range(2)] == [8, 8]
    real = Probe.kernels.fget
    told = lambda probe: "DEFAULT" if probe.framework == "jax" else real(probe)  # noqa: E731
    monkeypatch.setattr(Probe, "kernels", property(told))
    frame, table = counted()
    assert len(frame) == 8 + 4
    assert table["launches"].to_dict() == {"torch": 3, "jax": 3}


def test_two_revisions_are_cells_of_one_comparison(pretend):
    sweep, _ = pretend(PRESETS["quick"], steady, frameworks=("torch",), revisions=("", "0123456789ab"))
    rows = read_file(sweep.path).rows
    assert {row["revision"] for row in rows} == {None, "0123456789ab"}
    assert len({row["cell"] for row in rows if row["task"] == "speed"}) == 2
    assert len(sweep.stops) == 1


@pytest.mark.fault(51)
def test_sweeps_of_one_millisecond_have_names_of_their_own(monkeypatch):
    """Also on nodes of a cluster, which have the same code and may have the same clock."""
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, 678900, datetime.UTC)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: now), UTC=datetime.UTC)
    monkeypatch.setattr(local, "datetime", clock)
    names = {local.name_now() for _ in range(100)}
    assert len(names) == 100
    assert {name[:20] for name in names} == {"20260102T030405.678-"}


@pytest.mark.fault(51)
def test_a_sweep_never_writes_into_the_file_of_another(pretend, monkeypatch):
    """By patched names: should two be alike after all."""
    monkeypatch.setattr(local, "name_now", lambda: "one-name")
    first, _ = pretend(PRESETS["quick"], steady)
    content = first.path.read_bytes()
    with pytest.raises(StorageError, match=r"one-name.jsonl is another sweep's.*start this one again"):
        pretend(PRESETS["quick"], steady)
    assert first.path.read_bytes() == content
