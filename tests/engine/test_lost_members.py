"""What Dask does when a link is cut, a member or the scheduler dies: what our settings and our driver rest on."""

from __future__ import annotations

import signal
import time

import pytest

from tests.engine import namespaces
from tests.engine.namespaces import DRIVER, network
from tests.engine.places import Places
from tests.process.faults.processes import until

pytestmark = [
    pytest.mark.soak,  # of Dask alone; what we make of it is in test_sweeps_in_namespaces.py
    pytest.mark.skipif(bool(namespaces.missing()), reason=namespaces.missing() or "it can"),
]

TCP = "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP"  # at least 11 s: below, no connection is made (distributed/comm/tcp.py)
TTL = "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL"  # looked at once in as long: a member is lost after one to two of it
SHORT = {TCP: "11s", TTL: "5s"}  # the shortest for up to ten members: Dask waits for ten heartbeats of 0.5 s
SLACK_S = 3.0  # this machine is shared


@pytest.fixture
def two(tmp_path):
    """Start a scheduler and two members; return the places once both are known to a client, and that client."""

    def begin(task, seconds, *workers, before=(), scheduler_before=(), **settings):
        places = Places(made, tmp_path, **settings)
        started = {
            "scheduler": places.scheduler(scheduler_before),
            "m1": places.worker("m1", before),
            "m2": places.worker("m2"),
        }
        watcher = places.watcher(task, seconds, *(workers or ("m1", "m2")))
        watcher.submitted()
        watcher.state("workers", ["m1", "m2"])
        return places, started, watcher

    with network(2) as made:
        yield begin


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_cut_members_task_ends_once_as_killed_and_the_others_go_on(two, how):
    places, started, watcher = two("sleep", 14, **SHORT)
    cut_s = time.monotonic()
    places.network.cut("m1", how)
    lost = watcher.done("m1")
    assert (lost["status"], lost["exception"]) == ("error", "KilledWorker")
    assert lost["at_s"] - cut_s < 10 + SLACK_S
    watcher.state("workers", ["m2"])
    assert watcher.done("m2")["status"] == "finished"
    assert started["m1"].wait(timeout=30) == 0  # it ends of itself, when its task has


def test_a_member_that_was_lost_does_not_come_back_when_its_link_is_mended(two):
    places, started, watcher = two("sleep", 14, **SHORT)
    places.network.cut("m1", "silent")
    watcher.done("m1")
    places.network.mend("m1")
    assert started["m1"].wait(timeout=40) == 0
    watcher.done("m2")
    assert watcher.memberships() == [["m1", "m2"], ["m2"]]


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_cut_that_is_mended_in_time_costs_nothing(two, how):
    places, _, watcher = two("sleep", 8, **SHORT)
    places.network.cut("m1", how)
    time.sleep(1)  # after 3 s TCP's next try may come 3 s later still: too late for a ttl of 5 s
    places.network.mend("m1")
    assert watcher.done("m1")["status"] == "finished"
    assert watcher.memberships() == [["m1", "m2"]]


def test_the_kernels_probes_alone_find_a_dropped_link(two):
    places, _, watcher = two("sleep", 60, **{TCP: "11s", TTL: "10 minutes"})
    cut_s = time.monotonic()
    places.network.cut("m1", "silent")
    assert watcher.done("m1")["at_s"] - cut_s < 11 + SLACK_S


def test_a_member_whose_cores_are_all_busy_is_not_taken_for_lost(two):
    _, _, watcher = two("burn", 12, "m1", **SHORT)
    assert watcher.done("m1")["status"] == "finished"
    assert watcher.memberships() == [["m1", "m2"]]


def test_a_killed_member_is_lost_at_once(two):
    _, started, watcher = two("sleep", 60)
    killed_s = time.monotonic()
    started["m1"].kill()
    lost = watcher.done("m1")
    assert (lost["status"], lost["exception"]) == ("error", "KilledWorker")
    assert lost["at_s"] - killed_s < SLACK_S


def test_a_finished_future_that_is_still_held_is_silently_done_again_where_its_worker_comes_back(two):
    places, started, watcher = two("sleep", 1)
    assert [watcher.done(worker)["status"] for worker in ("m1", "m2")] == ["finished", "finished"]
    started["m1"].kill()
    started["m1"].wait()
    lost = watcher.state("futures", {"m1": "lost", "m2": "finished"})
    places.worker("m1")
    watcher.state("futures", {"m1": "finished", "m2": "finished"}, since_s=lost["at_s"])


def test_a_killed_schedulers_client_has_cancelled_futures_and_finds_the_next_scheduler_empty(two):
    places, started, watcher = two("sleep", 5)
    killed_s = time.monotonic()
    started["scheduler"].kill()
    for worker in ("m1", "m2"):
        ended = watcher.done(worker)
        assert ended["status"] == "cancelled"
        assert ended["at_s"] - killed_s < SLACK_S
    watcher.state("client", "connecting")
    assert [started[worker].wait(timeout=40) for worker in ("m1", "m2")] == [0, 0]
    started["scheduler"].wait()
    again_s = time.monotonic()
    places.scheduler()
    watcher.state("client", "running", since_s=again_s)
    watcher.state("workers", [], since_s=again_s)


def test_a_client_ends_when_its_input_does(two):
    places, _, watcher = two("sleep", 1)
    watcher.process.stdin.close()
    assert watcher.process.wait(timeout=20) == 0
    until(lambda: not places.network.processes(DRIVER), "nothing is left in the driver's place")


def test_a_scheduler_that_stood_still_for_longer_than_the_ttl_loses_everybody(two):
    _, started, watcher = two("sleep", 60, **SHORT)
    started["scheduler"].send_signal(signal.SIGSTOP)
    time.sleep(8)
    started["scheduler"].send_signal(signal.SIGCONT)
    assert [watcher.done(worker)["exception"] for worker in ("m1", "m2")] == ["KilledWorker"] * 2


@pytest.mark.parametrize("how", ["down", "silent"])
def test_by_default_a_cut_link_is_noticed_within_a_minute(two, how):
    places, _, watcher = two("sleep", 200, **{TCP: "30s", TTL: "30s"})
    cut_s = time.monotonic()
    places.network.cut("m1", how)
    assert watcher.done("m1", within_s=70)["at_s"] - cut_s < 60


@pytest.mark.parametrize("wrong", [("0.5",), ("--wall-offset", "3600", "1")])
def test_a_scheduler_whose_clocks_are_wrong_loses_nobody(two, wrong):
    _, _, watcher = two("sleep", 7, scheduler_before=("tests.engine.slow_clock", *wrong), **SHORT)
    assert [watcher.done(worker)["status"] for worker in ("m1", "m2")] == ["finished", "finished"]
    assert watcher.memberships() == [["m1", "m2"]]


@pytest.mark.parametrize("wrong", [("0.5",), ("2",), ("--wall-offset", "-3600", "1")])
def test_a_member_whose_clocks_are_wrong_works_and_is_not_lost(two, wrong):
    _, _, watcher = two("sleep", 6, before=("tests.engine.slow_clock", *wrong), **SHORT)
    at_s = {worker: watcher.done(worker)["at_s"] for worker in ("m1", "m2")}
    rate = float(wrong[-1])
    assert watcher.memberships() == [["m1", "m2"]]
    assert at_s["m1"] - at_s["m2"] == pytest.approx(6 / rate - 6, abs=1.5)
