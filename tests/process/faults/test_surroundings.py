"""What is around a sweep: devices and threads that are not as asked, busy neighbours, odd folders, limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import psutil
import pytest

from adapters.networks import declared
from adapters.recipes import RECIPES
from benchmarks import worker
from benchmarks.launch import process
from benchmarks.machine import environments
from benchmarks.machine.hardware import physical_cpus
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import prepare
from benchmarks.worker import inputs
from benchmarks.worker.speed import PLAN
from tests.process.faults.conftest import ACCURACY, QUICK, ROOT
from tests.process.faults.harness import this_python

PROBE = {"task": "probe", "adapter": "adapters.numpy:NumpyAdapter", "device": "cpu", "networks": []}

BURN = "while True: pass"


@pytest.mark.fault(22)
def test_parameters_on_the_cpu_are_no_gpu_row(sweep):
    code, said, [row] = sweep(*ACCURACY, "--framework", "fake-gpu", "--device", "gpu")
    assert code == 1, said
    assert (row["device"], row["status"]) == ("gpu", "failed")
    assert row["reason"] == "RuntimeError: asked for gpu, the parameters are on cpu"


@pytest.fixture
def two_cpus():
    """Skip where no process can compute on more CPUs than one, or on fewer."""
    if len(physical_cpus()) < 2 and not os.environ.get("CI"):
        pytest.skip("one CPU alone: nobody can compute on more, or on fewer")


@pytest.fixture
def timed(tmp_path):
    """Let a class of fake.py do a speed launch on some threads, with a plan to follow; return its answer."""

    def run(name: str, threads: int) -> dict[str, Any]:
        recipe, data = RECIPES["linear"], prepare("mnist-5k", None)
        inputs.prepare_inputs(tmp_path, recipe, 0, data.train_size, 1)
        cell = Cell("fake", "linear", data.name, "cpu", 100, "eager", "float32", threads)
        plan = dict(zip(PLAN, (3000, 1, 1000), strict=True))
        where = {"data": str(data.folder), "inputs": str(tmp_path)}
        asked = {
            "task": "speed",
            "cell": vars(cell),
            "network": declared(recipe),
            "plan": plan,
            "chunk_s": 0.1,
            "judged_steps": 1,
            "evidence": None,
            **where,
        }
        request = {**asked, "adapter": f"tests.process.faults.fake:{name}"}
        ending = process.launch(this_python(threads), request, 60)
        assert ending.status == "ok", ending
        return {**ending.answer, "flags": ending.flags}

    return run


@pytest.mark.fault(25)
@pytest.mark.usefixtures("two_cpus")
def test_more_threads_than_asked_are_flagged(timed):
    for _ in range(5):  # a machine that is busy otherwise may not give it more
        answer = timed("Greedy", 1)
        if answer["cpu_per_wall"] > 1.05:
            break
    assert answer["cpu_per_wall"] > 1.05
    assert "thread_mismatch" in answer["flags"]


@pytest.mark.fault(25)
@pytest.mark.usefixtures("two_cpus")
def test_fewer_threads_than_asked_are_flagged(timed):
    answer = timed("Lazy", 2)
    assert answer["threads_computing"] == 1
    assert "thread_mismatch" in answer["flags"]


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("threads", [1, 2])
def test_as_many_threads_as_asked_are_not(timed, threads):
    assert "thread_mismatch" not in timed("Fake", threads)["flags"]


@pytest.mark.fault(33)
def test_a_busy_neighbour_is_noticed_and_left_alone(timed):
    neighbour = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        os.sched_setaffinity(neighbour.pid, physical_cpus()[:1])
        answer = timed("Fake", 1)
        assert "noisy" in answer["flags"]
        assert answer["foreign_share"] > 0.05
        assert neighbour.poll() is None
        assert psutil.Process(neighbour.pid).status() == psutil.STATUS_RUNNING
    finally:
        neighbour.kill()
        neighbour.wait()


@pytest.mark.fault(35)
def test_a_checkout_results_and_cache_in_a_path_with_spaces_and_umlauts(tmp_path, cache):
    checkout = tmp_path / "Prüf stand 試" / "check out"
    for name in ("adapters", "benchmarks", "requirements", "tests/process/faults"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (temporary := checkout / "tmp ü").mkdir()
    own = {"PYTHONPATH": str(checkout), "LOCKSTEP_CACHE": str(checkout / "cä che"), "TMPDIR": str(temporary)}
    line = [sys.executable, "-m", "tests.process.faults.harness", "run", *QUICK, *ACCURACY, "--results", "Ergeb nisse"]
    done = subprocess.run(
        [*line, "--framework", "instant-0,fake-fake"],
        cwd=checkout,
        env={**cache, **own},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(list((checkout / "Ergeb nisse").glob("*.jsonl"))) == 1
    assert list((checkout / "cä che" / "proofs").iterdir())


@pytest.mark.fault(35)
@pytest.mark.parametrize("variable", ["TMPDIR", "HOME"])
def test_folders_that_cannot_be_written(start, variable):
    """In /proc nobody can make a folder, root neither. Data and proofs lie in LOCKSTEP_CACHE, a cache that is there."""
    process = start(*ACCURACY, "--framework", "instant-0", **{variable: "/proc/none"})
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


@pytest.mark.fault(35)
def test_a_home_that_cannot_be_written_and_no_cache_is_one_line(start):
    unset = {"LOCKSTEP_CACHE": "", "XDG_CACHE_HOME": ""}
    process = start(*ACCURACY, "--framework", "instant-0", HOME="/proc/none", **unset)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert out == ""
    assert len(said.strip().splitlines()) == 1
    assert "set LOCKSTEP_CACHE to a folder you can write" in said


@pytest.mark.fault(36)
def test_a_harness_that_can_start_no_process_says_so_and_goes_on():
    """RLIMIT_NPROC of an ordinary user, in a process of its own; as root that user is 65534."""
    program = (
        "import os, resource\nfrom benchmarks.launch.process import launch\n"
        "from tests.process.faults.harness import this_python\n"
        "place = this_python()\n"
        "os.getuid() or os.setuid(65534)\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
        "ending = launch(place, " + repr(PROBE) + ", 60)\n"
        "print(ending.status, ending.reason)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "failed the worker could not be started: Resource temporarily unavailable\n", done.stderr


@pytest.mark.fault(21)
def test_an_interpreter_that_cannot_be_executed_is_a_failed_launch(tmp_path):
    (tmp_path / "python").write_text("no program")
    (tmp_path / "python").chmod(0o755)
    ending = process.launch(replace(this_python(), interpreter=tmp_path / "python"), PROBE, 60)
    assert (ending.status, ending.reason) == ("failed", "the worker could not be started: Exec format error")


def test_a_worker_s_environment_is_an_allow_list(monkeypatch):
    for name in ("LOCKSTEP_SECRET", "PYTHONSTARTUP", "LD_PRELOAD", "OPENBLAS_CORETYPE", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    found = environments.variables(3)
    assert set(found) <= {*environments.INHERITED, *environments.FIXED, *worker.THREAD_VARIABLES}
    assert {found[name] for name in worker.THREAD_VARIABLES} == {"3"}
    assert found["PYTHONPATH"] == str(ROOT)
