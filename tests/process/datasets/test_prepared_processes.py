"""Preparing a data set: processes of its own, several at once, and one that waits for another."""

import fcntl
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.plan.data import prepared
from benchmarks.plan.data.prepared import prepare


@pytest.fixture
def own(tmp_path, make):
    return make.folder(tmp_path / "own digits é", make.digits(10), make.digits(5, 1))


def test_importing_needs_only_numpy():
    code = "import sys, benchmarks.plan.data.prepared; print(*{'pooch', 'requests', 'mlxtend'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.mnist
def test_preparing_mnist_stays_within_its_memory(mnist_folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from benchmarks.plan.data.prepared import prepare;"
        "from benchmarks.worker.__main__ import _peak_rss_bytes;"
        "first, again = (prepare('mnist', Path(sys.argv[1]), Path(sys.argv[2])) for _ in range(2));"
        "assert first == again; print(_peak_rss_bytes())"
    )
    command = [sys.executable, "-W", "error", "-c", code, mnist_folder, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 2**20
    assert len(list(Path(tmp_path).glob("arrays/*/*.npy"))) == 4


def test_a_lock_that_is_held_is_one_line(tmp_path, own, refused, monkeypatch):
    folder = prepare(str(own), None, tmp_path).folder
    monkeypatch.setattr(prepared, "LOCK_TIMEOUT_S", 0.1)
    lock = folder.with_name(folder.name + ".lock")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused(lambda: prepare(str(own), None, tmp_path), lock, f"process {os.getpid()} ")


def test_many_processes_at_once(tmp_path, own):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.starmap(prepare, [(str(own), None, tmp_path)] * 8)
    assert len(set(found)) == 1
    assert len(list(found[0].folder.glob("*.npy"))) == 4
