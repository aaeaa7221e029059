"""A warm worker's parent against real processes that misbehave; the worker module is replaced by small programs."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import WorkerLost
from benchmarks.launch import process
from benchmarks.machine import environments
from benchmarks.models import remote

ROOT = Path(__file__).resolve().parents[2]
RECIPE = RECIPES["mlp"]
LARGE = replace(RECIPES["linear"], model=replace(RECIPES["linear"].model, input_shape=(3, 256, 256)))
IMAGES = np.arange(3 * 784, dtype=np.uint32).astype(np.uint8).reshape(3, 1, 28, 28)
HEAD = """
import base64, json, os, signal, sys, time
fd = int(sys.argv[1])
request = json.loads(sys.stdin.readline())
def say(**answer): os.write(fd, (json.dumps({"status": "ok", "reason": "", **answer}) + "\\n").encode())
say(mode="eager", version=str(os.getpid()))
for line in sys.stdin:
    image = base64.b64decode(json.loads(line)["image"])
"""
ANSWER = "    say(outputs=[float(image[i]) for i in range(10)], seconds=0.5)\n"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Keep a program warm in the worker's place; its lines follow the reading of one `image`."""
    package = tmp_path / "benchmarks" / "worker"
    package.mkdir(parents=True)
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setitem(environments.FIXED, "PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path(sys.executable))
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    monkeypatch.setattr(remote, "ANSWER_S", 1.0)
    shutil.copy(ROOT / "benchmarks" / "worker" / "supervisor.py", package)
    started = []

    def go(program: str, head: str = HEAD) -> remote.Warm:
        (package / "__main__.py").write_text(head + program)
        weights = initial_weights(RECIPE.model, RECIPE.initialiser, 0)
        started.append(remote.Warm("numpy", "cpu", RECIPE, weights, 1))
        return started[-1]

    yield go
    for worker in started:
        worker.close()


def lost(worker: remote.Warm) -> str:
    """Ask once, be refused in time, and be refused the same way ever after; nothing is left of the worker."""
    begin = time.monotonic()
    with pytest.raises(WorkerLost) as first:
        worker.outputs(IMAGES)
    assert time.monotonic() - begin < 20
    with pytest.raises(WorkerLost) as second:
        worker.outputs(IMAGES)
    assert str(first.value) == str(second.value)
    if worker.about:
        assert not psutil.pid_exists(int(worker.about["version"]))
    return str(first.value)


def test_each_image_is_answered_in_order(start):
    outputs, seconds = start(ANSWER).outputs(IMAGES)
    assert outputs.tolist() == IMAGES[:, 0, 0, :10].tolist()
    assert seconds.tolist() == [0.5] * 3


def test_what_it_prints_spoils_nothing_and_fills_no_pipe(start):
    outputs, _ = start("    print('x' * 30000, flush=True)\n" + ANSWER).outputs(np.repeat(IMAGES, 4, 0))
    assert outputs.shape == (12, 10)


def test_its_end_leaves_nothing(start):
    worker = start(ANSWER)
    worker.ready()
    before = worker.process.pid, int(worker.about["version"])
    worker.close()
    assert not any(psutil.pid_exists(pid) for pid in before)
    with pytest.raises(WorkerLost, match="was closed"):
        worker.outputs(IMAGES)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("    os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("    sys.exit('no such library')", "no such library"),
        ("    signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", "no answer after 1 s"),
        ("    os.write(fd, b'nonsense\\n')", "cannot be read"),
        ("    say(outputs=[1.0], seconds=0.5)", "1 outputs in place of 10"),
        ("    say(outputs=[[1.0]] * 10, seconds=0.5)", "no valid 'outputs[0]'"),
        ("    say(outputs=[float('nan')] * 10, seconds=0.5)", "NaN"),
        ("    say(outputs=[1.0] * 10, seconds=-1)", "no valid 'seconds'"),
        ("    while True: os.write(fd, b'x' * 65536)", "longer than"),
        ("    os.write(fd, json.dumps({'status': 'oom', 'reason': 'no room'}).encode()); sys.exit()", "no room"),
    ],
)
def test_a_worker_that_fails_is_lost_and_says_why(start, program, words):
    assert words in lost(start(program))


def test_one_that_takes_no_image_larger_than_a_pipe_is_lost(start, monkeypatch):
    monkeypatch.setitem(globals(), "RECIPE", LARGE)
    worker = start("", HEAD.partition("for line")[0] + "time.sleep(600)\n")
    with pytest.raises(WorkerLost, match="took no image within 1 s"):
        worker.outputs(np.zeros((1, 3, 256, 256), np.uint8))


def test_an_image_larger_than_a_pipe_comes_whole(start, monkeypatch):
    monkeypatch.setitem(globals(), "RECIPE", LARGE)
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 256, 256), np.uint8)
    outputs, _ = start("    say(outputs=[float(sum(image[::2]))], seconds=0.5)\n").outputs(image)
    assert outputs.tolist() == [[image.ravel()[::2].sum(dtype=float)]]


def test_one_that_never_gets_ready_is_lost(start, monkeypatch):
    monkeypatch.setattr(remote, "READY_S", 0.5)
    assert "no answer after 0.5 s" in lost(start("", "import time; time.sleep(600)\n"))


def test_a_death_between_two_questions_is_noticed_without_one(start):
    worker = start(ANSWER)
    worker.ready()
    worker.check()
    os.kill(int(worker.about["version"]), 9)
    worker.process.wait()
    with pytest.raises(WorkerLost, match="SIGKILL"):
        worker.check()


def test_what_is_no_image_is_not_sent(start):
    with pytest.raises(ValueError, match="expected uint8"):
        start(ANSWER).outputs(IMAGES.astype(np.float32))


def test_probabilities_add_up_and_large_outputs_do_not_overflow():
    found = remote.probabilities(np.array([[1000.0, 1000.0, 0.0], [0.0, np.log(3), -1000.0]]))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0.25, 0.75, 0]])
