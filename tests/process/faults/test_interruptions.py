"""Ctrl-C once and twice, SIGTERM, SIGHUP, a terminal that goes away: rows for all, workers gone, the exit code."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import time

import psutil
import pytest

from tests.kept import read_all
from tests.process.faults.conftest import ACCURACY
from tests.process.faults.processes import alive, instant_workers, until

LAUNCHES = 40
MANY = ("--framework", "instant-0,instant-1", "--rounds", str(LAUNCHES // 2))


def ok_rows(results):
    return sum(path.read_bytes().count(b'"status": "ok"') for path in results.glob("*.jsonl"))


@pytest.mark.fault(26)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_launch_has_a_row_and_resume_goes_on(start, sweep, rows, tmp_path, number):
    process, results = start(*MANY), tmp_path / "results"
    until(lambda: ok_rows(results) > 2, "some rows")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    until(lambda: not instant_workers(), "the end of the workers", 5)
    [kept] = read_all(results)
    endings = [row["status"] for row in kept.rows]
    good = endings.count("ok")
    assert endings == ["ok"] * good + ["interrupted"] * (LAUNCHES - good)
    assert kept.run["requested"] == {"cells": 2, "launches": LAUNCHES, "modes": "recommended"}
    assert kept.end["reported"] == LAUNCHES
    assert {row["reason"] for row in kept.rows if row["status"] != "ok"} == {f"the sweep was ended by {number.name}"}
    lost = LAUNCHES - good
    assert f"{LAUNCHES} launches requested, {LAUNCHES} reported: " in said
    assert f"{lost} interrupted" in said
    assert "--resume" in said
    if number == signal.SIGINT:
        code, said, found = sweep(*MANY, "--resume")
        assert code == 0, said
        assert len(found) == LAUNCHES + lost  # what was interrupted stays on record, and each launch is there once
        assert len({(row["cell"], row["round"]) for row in found if row["status"] == "ok"}) == LAUNCHES
        assert sum(row["status"] == "ok" for row in found) == LAUNCHES


def deaf(process):
    """Return the workers that ignore SIGTERM by now."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(OSError), open(f"/proc/{child.pid}/status") as status:  # it may end meanwhile
            mask = int(next(line for line in status if line.startswith("SigIgn")).split()[1], 16)
            found += [child] if mask & (1 << (signal.SIGTERM - 1)) else []
    return found


@pytest.mark.fault(26)
def test_a_second_ctrl_c_does_not_wait_for_a_worker_that_hangs(start):
    process = start(*ACCURACY, "--framework", "fake-hanglaunch")
    until(lambda: deaf(process), "a worker that ignores SIGTERM")
    workers = deaf(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # the worker has five seconds to end by itself
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - begin < 2
    assert process.returncode == 130
    until(lambda: not alive(workers), "the end of the worker", 2)


@pytest.mark.fault(26)
def test_ctrl_c_does_not_wait_for_a_proof_that_hangs(start):
    process = start("--framework", "fake-hang")
    until(lambda: deaf(process), "a worker that ignores SIGTERM")
    workers = deaf(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)  # the proof would have half an hour
    assert process.returncode == 130
    until(lambda: not alive(workers), "the end of the worker", 2)


@pytest.mark.fault(26)
def test_ctrl_c_does_not_wait_for_a_framework_that_does_not_say_what_it_can(start, temporary, tmp_path):
    process = start("--framework", "fake-hangprobe,instant-0,instant-1")
    until((temporary / "probed").exists, "the framework to be asked")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)  # the probe would have a minute
    assert process.returncode == 130
    assert not list((tmp_path / "results").glob("*.jsonl"))


@pytest.mark.fault(26)
def test_a_terminal_that_hangs_up_loses_no_row(cache, tmp_path):
    """A real one: its other end is closed, the kernel sends SIGHUP, and nothing can be printed any more."""
    results = tmp_path / "results"
    line = [
        sys.executable,
        "-m",
        "tests.process.faults.harness",
        "run",
        "--model",
        "linear",
        "--seeds",
        "0",
        "--no-peak",
    ]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(line[0], [*line, "--results", str(results), *MANY], cache)  # noqa: S606
    process = psutil.Process(child)
    try:
        until(lambda: ok_rows(results) > 2, "some rows")
        os.close(terminal)
        assert process.wait(timeout=30) == 129
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    [kept] = read_all(results)
    assert {row["status"] for row in kept.rows} == {"ok", "interrupted"}
    assert len(kept.rows) == LAUNCHES


BROKEN = """
from benchmarks.launch.launcher import Launcher
from tests.process.faults.harness import main, register

def measured(self, planned, folder):
    raise ZeroDivisionError("a bug of ours")

Launcher.measured = measured
register()
main()
"""


def test_a_bug_of_ours_shows_itself_and_leaves_rows_all_the_same(program, rows):
    done = program(BROKEN, "--framework", "instant-0,instant-1")
    assert done.returncode == 1
    assert "ZeroDivisionError: a bug of ours" in done.stderr
    found = {row["framework"]: (row["status"], row["reason"]) for row in rows()}
    ended = ("interrupted", "the sweep was ended by ZeroDivisionError: a bug of ours")
    assert found == {"instant-0": ended, "instant-1": ended}
