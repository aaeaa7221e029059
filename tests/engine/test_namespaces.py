"""Places are machines of their own, a cut link carries nothing, and nothing is left at the end, however it comes."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

import psutil
import pytest

from benchmarks.machine.environments import ROOT
from tests.engine import namespaces
from tests.engine.namespaces import DRIVER, SCHEDULER, network
from tests.process.faults.processes import alive, until

pytestmark = pytest.mark.skipif(bool(namespaces.missing()), reason=namespaces.missing() or "it can")

CONNECT = """
import errno, socket, sys
with socket.socket() as one:
    one.settimeout(1)
    print(errno.errorcode.get(one.connect_ex((sys.argv[1], 9)), "none"))
"""
REFUSED = errno.errorcode[errno.ECONNREFUSED]  # the other machine was reached and has no such service
SILENCE = errno.errorcode[errno.EAGAIN]  # the second passed
NO_ROUTE = errno.errorcode[errno.ENETUNREACH]
STUBBORN = "trap '' TERM INT HUP; setsid sleep 600 & while :; do sleep 1; done"
HOLD = f"""
import subprocess, time
from tests.engine.namespaces import network
with network(1) as made:
    made.start("m1", ["sh", "-c", {STUBBORN!r}], stdout=subprocess.DEVNULL)
    print(made.name, flush=True)
    time.sleep(600)
"""


def connects(made, place, to):
    """Return how connecting from a place to another's unused port ends."""
    line = [sys.executable, "-c", CONNECT, made.address(to)]
    return made.start(place, line, stdout=subprocess.PIPE, text=True).communicate()[0].strip()


def of_run(name):
    """Return the namespaces that a run still has."""
    return [other for other in namespaces.namespaces() if other.startswith(f"{name}-")]


def links():
    return namespaces.ip("-br", "link").splitlines()


@pytest.fixture(scope="module")
def two():
    with network(2) as made:
        yield made


@pytest.fixture
def holder():
    """Start runs that hold a network; each call returns the run and its network's name."""

    def begin():
        line = [sys.executable, "-c", HOLD]
        begun.append(subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        return begun[-1], begun[-1].stdout.readline().strip()

    begun = []
    yield begin
    for run in begun:
        run.terminate()
        run.communicate(timeout=30)


def test_places_see_each_other_and_nothing_else(two):
    for place in two.places:
        assert connects(two, place, SCHEDULER) == REFUSED
    line = ["ip", "route"]
    routes = two.start("m1", line, stdout=subprocess.PIPE, text=True).communicate()[0].splitlines()
    assert [route.split()[0] for route in routes] == ["10.77.0.0/24"]


def test_the_hosts_network_is_not_touched():
    before = links()
    with network(1):
        assert links() == before
    assert links() == before


@pytest.mark.parametrize(("how", "own"), [("down", NO_ROUTE), ("silent", SILENCE)])
def test_a_cut_link_carries_nothing_until_it_is_mended(two, how, own):
    two.cut("m1", how)
    assert connects(two, "m1", "m2") == own
    assert connects(two, "m2", "m1") == SILENCE
    assert connects(two, "m2", SCHEDULER) == REFUSED
    two.mend("m1")
    until(lambda: connects(two, "m2", "m1") == REFUSED, "the mended link carries packets", 10.0)
    assert connects(two, "m1", "m2") == REFUSED


def test_what_does_not_exist_is_named(two):
    with pytest.raises(ValueError, match=r"asked for m9; this network has driver, scheduler, m1, m2"):
        two.cut("m9")
    with pytest.raises(ValueError, match="asked to cut a link sideways"):
        two.cut("m1", "sideways")
    with pytest.raises(RuntimeError, match=r"asked: ip netns delete lockstep-none; found: .*No such file"):
        namespaces.ip("netns", "delete", "lockstep-none")


def test_the_pid_is_the_programs_own_and_signals_reach_it(two):
    process = two.start("m1", ["sleep", "600"])
    until(lambda: psutil.Process(process.pid).name() == "sleep", "nsenter has become the program")
    assert process.pid in two.processes("m1")
    assert process.pid not in two.processes("m2")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=10) == -signal.SIGUSR1
    assert process.pid not in two.processes("m1")


def fail_with_processes(begun):
    with network(1) as made:
        made.start("m1", ["sh", "-c", STUBBORN])
        made.start(DRIVER, ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        until(lambda: len(made.processes("m1")) >= 2, "the shell's child runs")
        begun += [psutil.Process(pid) for pid in made.processes("m1") + made.processes(DRIVER)]
        raise LookupError(made.name)


def test_at_the_end_nothing_is_left_also_when_the_test_failed():
    begun = []
    with pytest.raises(LookupError) as failed:
        fail_with_processes(begun)
    assert len(begun) >= 3
    assert not alive(begun)
    assert not of_run(str(failed.value.args[0]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing(number, holder):
    run, name = holder()
    assert len(of_run(name)) == 4
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode
    assert not of_run(name)


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_living_runs_is_not(holder):
    killed, left = holder()
    _, kept = holder()
    begun = [psutil.Process(pid) for pid in namespaces.pids(f"{left}-m1")]
    killed.kill()
    killed.communicate()
    assert len(of_run(left)) == 4
    assert alive(begun)
    with network(1):
        assert not of_run(left)
        assert len(of_run(kept)) == 4
    assert not alive(begun)


def test_two_networks_of_the_same_addresses_do_not_meet(two):
    with network(1) as other:
        served = "import socket; s = socket.create_server(('', 9)); print('up', flush=True); s.accept()"
        server = other.start("m1", [sys.executable, "-c", served], stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "up\n"
        assert other.address("m1") == two.address("m1")
        assert connects(two, DRIVER, "m1") == REFUSED
        assert connects(other, DRIVER, "m1") == "none"
