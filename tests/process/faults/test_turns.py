"""Two measurements on one machine: the second waits or fails, naming the holder; the kernel frees a stale lock."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.__main__ import app
from benchmarks.errors import Busy, StorageError
from benchmarks.machine.environments import ROOT
from benchmarks.machine.lock import machine_lock
from tests.checkpoints import write_checkpoint
from tests.kept import read_all
from tests.process.faults.processes import until

HOLDER = """
import sys, time
from benchmarks.machine.lock import machine_lock
with machine_lock(sys.argv[1], True, print):
    print("taken", flush=True)
    time.sleep(600)
"""
LIAR = """
import fcntl, os, sys, time
lock = open(os.environ["LOCKSTEP_TURN"], "wb")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(str(os.getpid()).encode() + b" " + eval(sys.argv[1]))
lock.flush()
print("taken", flush=True)
time.sleep(600)
"""
NASTY = r"b'\x1b[31m[bold]\xe2\x80\xae </script> \xff\n| since 1970 \n' + b'x' * 5000"


@pytest.fixture(autouse=True)
def lock(monkeypatch, tmp_path):
    """A lock of this test's own, for this process and those that it starts."""
    monkeypatch.setenv("LOCKSTEP_TURN", str(tmp_path / "turn"))
    return tmp_path / "turn"


@pytest.fixture
def holder():
    """Start a process that has the lock; ended with the test."""
    started = []

    def begin(program, argument):
        line = [sys.executable, "-c", program, argument]
        started.append(subprocess.Popen(line, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "taken\n"
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.fault(18)
def test_the_second_sweep_waits_naming_the_holder_and_has_a_file_of_its_own(start, tmp_path):
    results = tmp_path / "results"
    first = start("--framework", "instant-0", "--rounds", "400")
    until(lambda: list(results.glob("*.jsonl")), "the first sweep's file")
    second = start("--framework", "instant-1")
    said = second.stderr.readline()
    assert f"process {first.pid} measures on this machine since " in said
    assert "linear in instant-0; waiting until it is done" in said
    assert len(list(results.glob("*.jsonl"))) == 1
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (130, 0)
    one, two = read_all(results)
    assert [len(one.rows), len(two.rows)] == [400, 1]
    assert {row["framework"] for row in two.rows} == {"instant-1"}
    assert str(tmp_path) not in said


@pytest.mark.fault(18)
def test_no_wait_fails_at_once_with_the_holder_s_pid(holder, start):
    other = holder(HOLDER, "something else")
    process = start("--framework", "instant-0", "--no-wait")
    _, said = process.communicate(timeout=60)
    assert process.returncode == Busy.exit_code == 75, said
    assert len(said.strip().splitlines()) == 1
    assert f"process {other.pid} measures on this machine since " in said
    assert ": something else; type the command without --no-wait to wait" in said


@pytest.mark.parametrize("command", ["info peak", "selftest", "micro", "verify", "verify --exchange"])
def test_whatever_computes_takes_the_lock(command, tmp_path):
    with machine_lock("something else", False, print):
        done = CliRunner().invoke(app, [*command.split(), "--no-wait"])
    assert isinstance(done.exception, Busy)


def test_evaluating_what_is_kept_takes_the_lock(tmp_path):
    recipe = RECIPES["linear"]
    write_checkpoint(tmp_path / "net", recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})
    line = ["verify", str(tmp_path / "net"), "--framework", "numpy", "--dataset", "mnist-5k", "--no-wait"]
    with machine_lock("something else", False, print):
        done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, Busy)


@pytest.mark.fault(19)
def test_kill_9_of_the_holder_frees_the_lock_and_wakes_who_waits(holder):
    other, told = holder(HOLDER, "what is lost"), []

    def say(words):
        told.append(words)
        other.send_signal(signal.SIGKILL)

    with machine_lock("the next", True, say):  # for ever, were it not woken
        pass
    [words] = told
    assert f"process {other.pid} measures" in words
    with machine_lock("once more, there is nothing to clean up", False, told.append):
        assert len(told) == 1


def test_a_lock_that_is_given_back_is_free_though_others_had_asked(holder):
    with machine_lock("first", False, print):
        for _ in range(3):
            with pytest.raises(Busy, match=f"process {os.getpid()} .*: first;"), machine_lock("second", False, print):
                pass
    with machine_lock("second", False, print):
        pass


@pytest.mark.fault(18)
@pytest.mark.fault(29)
def test_what_a_holder_says_of_itself_is_escaped_and_bounded(holder):
    """Any user may take the name; the pid is the kernel's word all the same."""
    other = holder(LIAR, NASTY)
    with pytest.raises(Busy) as caught, machine_lock("ours", False, print):
        pass
    said = str(caught.value)
    assert said.startswith(f"process {other.pid} ")
    assert said.isprintable()
    assert "\\x1b[31m" in said
    assert "\\x202e" in said
    assert len(said) < 800


def test_a_holder_that_is_stopped_is_named_with_what_it_measures(holder):
    other = holder(HOLDER, "asleep")
    other.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)  # until then its thread may still answer
    with pytest.raises(Busy, match=f"process {other.pid} measures on this machine since .*: asleep;"):  # noqa: SIM117
        with machine_lock("ours", False, print):
            pass


def test_words_of_another_process_are_not_the_holder_s(holder, lock):
    """One that has the lock and has not written yet, or cannot; the words are of who had it before."""
    with machine_lock("what is over", False, print):
        pass
    other = holder(LIAR.replace("str(os.getpid())", repr(str(os.getpid()))), "b'what is over'")
    with pytest.raises(Busy, match=f"^process {other.pid} does not say what it does;"):  # noqa: SIM117
        with machine_lock("ours", False, print):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be other users")
def test_users_share_a_file_in_a_sticky_folder(tmp_path, monkeypatch):
    """Where fs.protected_regular forbids to open another's file with O_CREAT; a umask does not matter either."""
    shared = Path(tempfile.mkdtemp(dir="/tmp"))
    shared.chmod(0o1777)
    monkeypatch.setenv("LOCKSTEP_TURN", str(shared / "turn"))
    try:
        for user in (65534, 65533, 0):
            process = multiprocessing.get_context("fork").Process(target=take_as, args=(user,))
            process.start()
            process.join()
            assert process.exitcode == 0
    finally:
        shutil.rmtree(shared)


def take_as(user):
    os.umask(0o077)
    os.setuid(user)
    with machine_lock("theirs", False, print):
        pass


@pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_file_in_its_place_is_one_line(make, lock):
    make(lock)
    with pytest.raises(StorageError, match=f"^cannot lock {lock}: "), machine_lock("ours", False, print):
        pass


def test_a_pipe_in_its_place_is_a_lock_without_words(lock, holder):
    os.mkfifo(lock)
    other = holder(HOLDER, "unsaid")
    with pytest.raises(Busy, match=f"^process {other.pid} does not say"), machine_lock("ours", False, print):
        pass
