"""The launcher against real processes that misbehave; the worker module is replaced by small programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, TypedDict

import psutil
import pytest

from benchmarks import worker
from benchmarks.launch import process
from benchmarks.launch.outcome import KEPT_OUTPUT_CHARACTERS, Outcome
from benchmarks.launch.process import Place, Report
from benchmarks.machine import environments
from benchmarks.worker import protocol

ROOT = Path(__file__).resolve().parents[2]


class Asked(TypedDict):
    """What these programs are asked."""

    task: Literal["test"]
    number: int


class Answered(TypedDict):
    """What they answer."""

    status: str
    reason: str
    said: object


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Launch a program in the worker's place: `fd` is its answer's descriptor, `request` what it was sent."""
    package = tmp_path / "benchmarks" / "worker"
    package.mkdir(parents=True)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setitem(environments.FIXED, "PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(protocol.REQUESTS, "test", Asked)
    monkeypatch.setitem(protocol.ANSWERS, "test", Answered)

    def go(program: str, timeout_s: float = 20, folder: Path | None = None, progress: Report | None = None) -> Outcome:
        shutil.copy(ROOT / "benchmarks" / "worker" / "supervisor.py", package)
        head = "import json, os, signal, sys, time\nfd = int(sys.argv[1])\nrequest = json.load(sys.stdin)\n"
        (package / "__main__.py").write_text(head + program)
        cpus = (min(os.sched_getaffinity(0)),)
        place = Place(Path(sys.executable), environments.variables(1), cpus, folder=folder or tmp_path)
        return process.launch(place, {"task": "test", "number": 7}, timeout_s, progress)

    return go


ANSWER = 'os.write(fd, json.dumps({"status": "ok", "reason": "", "said": %s}).encode())\n'


@pytest.mark.fault(9)
def test_the_answer_comes_on_its_own_descriptor(run):
    ending = run('print("noise", flush=True); os.write(2, b"more")\n' + ANSWER % "request['number']")
    assert (ending.status, ending.answer) == ("ok", {"said": 7})
    assert "noise" in ending.output


EPOCH = '{"epoch": %s, "train_loss": 0.5, "accuracy": 0.25, "loss": 0.5, "seconds": 1.5}\\n'
WAITS = """
for epoch in (1, 2):
    os.write(fd, (%r %% epoch).encode())
    while not os.path.exists(f"heard{epoch}"):
        time.sleep(0.01)
"""


def test_progress_is_heard_while_the_worker_goes_on(run, tmp_path):
    heard = []

    def progress(figures):
        heard.append(figures)
        (tmp_path / f"heard{figures['epoch']}").touch()  # only then does the worker take the next epoch

    ending = run(WAITS % EPOCH.replace("\\n", "\n") + ANSWER % "3", progress=progress)
    assert (ending.status, ending.answer) == ("ok", {"said": 3})
    assert [figures["epoch"] for figures in heard] == [1, 2]
    assert heard[0]["accuracy"] == 0.25


def test_progress_that_is_none_ends_the_launch(run):
    heard = []
    begin = time.monotonic()
    ending = run("os.write(fd, b'{\\n')\ntime.sleep(600)", progress=heard.append)
    assert ending.status == "invalid"
    assert "line of progress that cannot be read" in ending.reason
    assert (heard, ending.answer) == ([], None)
    assert time.monotonic() - begin < 15


def test_adapters_of_another_folder_come_first(run, tmp_path):
    for place in (tmp_path, tmp_path / "other"):
        (place / "adapters").mkdir(parents=True)
        (place / "adapters" / "word.py").write_text(f"WORD = {place.name!r}\n")
    ask = "from adapters.word import WORD\n" + ANSWER % "WORD"
    assert run(ask).answer == {"said": tmp_path.name}
    assert run(ask, folder=tmp_path / "other").answer == {"said": "other"}


def test_affinity_and_threads_are_set_before_it_starts(run):
    ending = run(ANSWER % "[len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS']]")
    assert ending.answer == {"said": [1, "1"]}
    assert len(os.sched_getaffinity(0)) == psutil.cpu_count() or len(os.sched_getaffinity(0)) > 0


def test_the_worker_sees_an_allow_list(run, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("SECRET", "x")
    seen = run(ANSWER % "sorted(os.environ)").answer["said"]
    allowed = {*environments.INHERITED, *environments.FIXED, *worker.THREAD_VARIABLES, "LC_CTYPE"}
    assert set(seen) <= allowed


@pytest.mark.fault(8)
def test_a_flood_of_output_is_bounded_and_bad_bytes_replaced(run):
    ending = run("for _ in range(3000): os.write(1, b'\\xff' * 10000)\n" + ANSWER % "1")
    assert ending.status == "ok"
    assert len(ending.output) <= KEPT_OUTPUT_CHARACTERS


@pytest.mark.fault(5)
def test_death_by_signal_is_named(run):
    ending = run("os.kill(os.getpid(), signal.SIGSEGV)")
    assert ending.status == "crashed"
    assert "SIGSEGV" in ending.reason


@pytest.mark.fault(6)
def test_a_hang_that_ignores_sigterm_is_ended(run, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    begin = time.monotonic()
    ending = run(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.write(1, str(os.getpid()).encode())\ntime.sleep(600)", 1
    )
    assert ending.status == "timeout"
    assert time.monotonic() - begin < 10
    assert not psutil.pid_exists(int(ending.output))


@pytest.mark.fault(7)
def test_a_child_left_in_the_group_is_ended_and_not_waited_for(run):
    program = "pid = os.fork()\nif pid == 0:\n    time.sleep(600)\n    os._exit(0)\n" + ANSWER % "pid"
    begin = time.monotonic()
    ending = run(program)
    assert time.monotonic() - begin < 10
    assert not psutil.pid_exists(ending.answer["said"])


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    with open("pid", "w") as file:
        file.write(str(pid))
    os._exit(0)
os.wait()
"""


@pytest.mark.fault(7)
@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(600)"])
def test_a_daemon_in_a_session_of_its_own_is_ended_however_the_worker_ends(run, monkeypatch, ending):
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    neighbour = subprocess.Popen(["sleep", "60"])  # a child of ours that no worker started
    run(DAEMON + ending, 1)
    assert not psutil.pid_exists(int((environments.ROOT / "pid").read_text()))
    assert neighbour.poll() is None
    neighbour.kill()
    neighbour.wait()


@pytest.mark.fault(10)
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("b''", "cannot be read"),
        ('b\'{"status": "ok"\'', "cannot be read"),
        ('b\'{"status": "ok", "reason": "", "x": NaN}\'', "NaN"),
        ("b'[1]'", "cannot be read"),
        ('json.dumps({"status": "ok", "reason": ""}).encode("utf-16")', "cannot be read"),
        ('b\'{"status": "ok", "reason": null}\'', "no reason"),
        ('b\'{"status": "timeout", "reason": ""}\'', "no status out of"),
        ('b\'{"status": "ok", "reason": "", "x": 1, "x": 1}\'', "a key occurs twice"),
        ('b\'{"status": "ok", "reason": "", "x": \' + b"[" * 9999', "recursion"),
    ],
)
def test_an_answer_that_is_none_is_invalid(run, said, words):
    ending = run(f"os.write(fd, {said})")
    assert ending.status == "invalid"
    assert words in ending.reason


@pytest.mark.fault(10)
def test_an_endless_answer_is_invalid_and_memory_stays_bounded(run):
    ending = run("block = b'x' * 65536\nfor _ in range(400): os.write(fd, block)")
    assert ending.status == "invalid"
    assert "longer than" in ending.reason


def test_an_exit_code_brings_the_last_line_printed(run):
    ending = run("sys.exit('no such library')")
    assert (ending.status, ending.answer) == ("failed", None)
    assert "no such library" in ending.reason


def test_the_parent_sleeps_while_it_waits(run):
    before = time.process_time()
    run("time.sleep(2)\n" + ANSWER % "1")
    assert time.process_time() - before < 0.1
