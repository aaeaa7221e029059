"""What a launch asks for and what its row gets, with workers that only pretend."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.launch import launcher as launcher_module
from benchmarks.launch import process
from benchmarks.launch.launcher import Launcher, _in_order
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.probe import Probe
from benchmarks.launch.target import RowBuilder
from benchmarks.machine import environments, hardware, noise
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import Prepared
from benchmarks.record.schema import FLAGS
from benchmarks.sweep.dask.facts import environment_of

CELL = Cell("numpy", "mlp", "some", "cpu", 100, "eager", "float32", 1)
FACTS = {"unsupported": {"eager float32 preloaded": None}, "versions": {"numpy": "0.9"}}
PROBES = {("numpy", "cpu"): Probe("numpy", "cpu", facts=FACTS)}
DATA = {"some": Prepared("some", "0" * 64, Path("data"), 40, 10, "", (1, 28, 28), 10)}
SPEED = {"framework_version": "1.0", "train_samples_per_s": 1000.0}
FOUND = Outcome("ok", "", SPEED, "", flags=frozenset({"thread_mismatch", "drifting"}))


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Make launches of CELL one after another, each worker ending as given; return their rows."""

    def run(*outcomes, task="speed", seconds=((1.0, 1.0),)):
        launcher, rows = Launcher(PROBES, DATA, 0.1, timeout_s=1.0), []
        taken = iter([[part] for pair in seconds for part in pair])
        monkeypatch.setattr(noise, "_run_on", lambda cpus: next(taken) if cpus else [])
        for number, outcome in enumerate(outcomes):
            monkeypatch.setattr(process, "launch", lambda *_, outcome=outcome: outcome)
            monkeypatch.setattr(launcher_module, "_judged", lambda *_: {})  # a worker that pretends leaves nothing
            rows.append(launcher.row(Launch(task, number, 0, CELL), tmp_path, "sweep"))
            launcher.remember(Launch(task, number, 0, CELL), rows[-1])
        return rows

    return run


def test_flags_of_worker_and_machine_are_one_set_in_the_schema_s_order(launched):
    [row] = launched(FOUND, seconds=[(1.0, 1.5)])
    assert row["flags"] == ["noisy", "drifting", "thread_mismatch"]
    assert (row["canary_before_s"], row["canary_after_s"]) == ([1.0], [1.5])
    assert _in_order({"unknown", *FLAGS}) == [*FLAGS, "unknown"]


@pytest.mark.parametrize(
    ("recipe", "batch_size", "steps"),
    [("mlp", 1000, 20), ("lenet", 100, 20), ("lenet", 1000, 20), ("lenet", 4096, 5), ("cnn_32_64", 1 << 16, 3)],
)
def test_fewer_steps_of_a_launch_are_judged_where_they_would_take_longer_than_it(recipe, batch_size, steps):
    launcher = Launcher(PROBES, DATA, 0.1, timeout_s=1.0)
    cell = replace(CELL, recipe=recipe, batch_size=batch_size)
    request = launcher._request(launcher.target(cell), Launch("speed", 0, 0, cell), Path("in"), Path("out"))
    assert request["judged_steps"] == steps


def test_a_launch_that_ends_badly_keeps_the_machine_s_flags_and_the_version_that_was_probed(launched):
    [row] = launched(Outcome("crashed", "ended by SIGSEGV", None, "", 11), seconds=[(1.0, 1.5)])
    assert (row["status"], row["reason"], row["flags"]) == ("crashed", "ended by SIGSEGV", ["noisy"])
    assert row["framework_version"] == "0.9"
    [row] = launched(FOUND)
    assert row["framework_version"] == "1.0"


def test_a_test_image_that_does_not_exist_makes_an_answer_invalid(launched):
    answer = {"accuracy": 0.5, "mistakes": [3, 10]}
    [row] = launched(Outcome("ok", "", answer, "", flags=frozenset({"drifting"})), task="accuracy")
    assert (row["status"], row["accuracy"], row["flags"]) == ("invalid", None, [])
    assert "test image 10, which does not exist" in row["reason"]


def test_environment_and_machine_are_asked_once_a_cell_and_not_at_a_later_launch(launched, monkeypatch):
    asked = Counter()
    for module, names in {
        environments: ("interpreter", "variables", "lock_hash", "code_hash"),
        hardware: ("physical_cpus", "card_of", "fingerprint", "cpu_name"),
        Cell: ("identity",),
    }.items():
        for name in names:
            real = getattr(module, name)
            counted = lambda *given, name=name, real=real, **named: asked.update([name]) or real(*given, **named)  # noqa: E731
            monkeypatch.setattr(module, name, counted)
    launched(FOUND, seconds=[(1.0, 1.0)])
    once = dict(asked)
    assert once["identity"] == once["interpreter"] == once["variables"] == once["code_hash"] == once["lock_hash"] == 1
    asked.clear()
    launched(FOUND, FOUND, FOUND, seconds=[(1.0, 1.0)] * 3)
    assert asked == once


def test_what_a_timed_launch_compiles_no_other_launch_finds(monkeypatch, tmp_path):
    launcher, seen = Launcher(PROBES, DATA, 0.1, timeout_s=1.0), []

    def launch(place, request, timeout_s):
        folder = Path(place.variables["TMPDIR"])
        seen.append((request["task"], folder, folder.is_dir() and list(folder.iterdir()), place.variables))
        if request["task"] == "speed":
            (folder / "kernel.so").touch()
        return FOUND

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(noise, "_run_on", lambda cpus: [1.0] * len(cpus))
    monkeypatch.setattr(process, "launch", launch)
    monkeypatch.setattr(launcher_module, "_judged", lambda *_: {})
    for task in ("speed", "speed", "accuracy"):
        launcher.measured(Launch(task, 0, 0, CELL), tmp_path)
    (_, one, at_first, variables), (_, other, then, _), (_, its, _, shared) = seen
    assert at_first == then == []
    assert one != other
    assert one.parent == other.parent == tmp_path
    assert not one.exists()
    assert variables["XDG_CACHE_HOME"] == str(one)
    assert Path(variables["TRITON_CACHE_DIR"]).parent == one
    assert its == tmp_path
    assert "TRITON_CACHE_DIR" not in shared


def test_rows_of_another_machine_are_built_from_what_it_reported():
    facts = {"locks": {"numpy cpu": "its lock"}, "fingerprints": {"cpu": "its kind"}, "machine": {"cpu": "its CPU"}}
    planned = Launch("speed", 0, 0, CELL)
    here = RowBuilder(PROBES, DATA, 0.1)
    elsewhere = RowBuilder(PROBES, DATA, 0.1, environment=partial(environment_of, facts))
    assert elsewhere.described(planned, "sweep")["device_name"] == "its CPU"
    assert elsewhere.target(CELL).environment[:2] == ("its lock", "its kind")
    assert here.identity(planned) != elsewhere.identity(planned) == elsewhere.described(planned, "s")["cell"]
    assert environment_of({**facts, "locks": {}}, PROBES["numpy", "cpu"]).lock == ""
