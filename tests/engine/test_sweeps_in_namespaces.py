"""A sweep over machines that are places of their own: whatever is lost, nothing disappears and nothing counts twice.

`pytest -s tests/engine/test_sweeps_in_namespaces.py | grep '^|'` is the log as a table.
"""

from __future__ import annotations

import re
import time

import pytest

from tests.engine import namespaces
from tests.engine.field import counted, series, sweeps
from tests.engine.machines import FAKES, HEAD, killed, machines, real
from tests.engine.namespaces import DRIVER, SCHEDULER

pytestmark = pytest.mark.skipif(bool(namespaces.missing()), reason=namespaces.missing() or "it can")

AMOUNT = ("--framework", ",".join(FAKES), "--model", "linear,mlp", "--batch-size", "10,20", "--rounds", "4")
ONE_SEED = (*AMOUNT, "--seeds", "1")
MANY = (*AMOUNT[:4], "--batch-size", "5,10,15,20,25,30", "--rounds", "3", "--seeds", "1")
REQUESTED = 3 * 4 * 5  # frameworks, comparisons, launches of a cell
PATIENCE_S = 24.0  # Dask notices a cut link after 12 s
SHORT_S = 8.0
UNDER_WAY = r"^1\d/\d+ "
LOST = r"m0\d was lost: [^\n]*"
LATE = """
import os, signal
from benchmarks.sweep.dask.events import Events
from tests.process.faults.harness import main, register
done, gone = Events.done, []
def late(events, machine, future):
    if machine.series is not None and f"//{os.environ['VICTIM_AT']}:" in machine.address and not gone:
        gone.append(os.kill(int(os.environ["VICTIM"]), signal.SIGSTOP))
        print("stopped", flush=True)
    done(events, machine, future)
Events.done = late
register()
main()
"""  # a driver that stops a member when its block has ended, and then takes the answer
LINK = "its process ended, or its link was cut"


@pytest.fixture(scope="module", autouse=True)
def head():
    print(f"\n{HEAD}\n|{' --- |' * HEAD.count(' | ')}{' --- |'}")


@pytest.fixture
def field(request, tmp_path):
    case = request.node.name.removeprefix("test_").replace("_", " ")
    with machines(tmp_path, 4, case) as made:
        yield made


def begin(field, *amount, patience_s=PATIENCE_S, until=UNDER_WAY, change=list, least=4):
    """Start everything and return the driver once its sweep is under way."""
    field.all(4, *FAKES, patience_s=patience_s)
    driver = field.drive(*(amount or ONE_SEED), patience_s=patience_s, change=change, least=least)
    driver.until(until)
    return driver


def statuses(rows):
    return {row["status"] for row in rows.values()}


def attempts(rows):
    return {row["attempt"] for row in rows.values()}


def by_hand(field, *places):
    """Collect what members kept, as if their folders were carried to the driver."""
    for place in places:
        field.collect("--folder", str(field.folder / place), place=place)


def resumed(field):
    """Resume; what is new and what was measured whole before are everything, and nothing is in both."""
    [before] = [name for name, sweep in sweeps(field.results).items() if sweep.run.get("engine")]
    driver = field.drive(*ONE_SEED, "--resume", patience_s=PATIENCE_S)
    assert driver.wait() == 0, driver.said()
    found = sweeps(field.results)
    after = max(name for name, sweep in found.items() if sweep.run.get("engine"))
    assert after > before
    assert found[after].end["reported"] == REQUESTED
    new, old = counted(field.results, after), counted(field.results, before)
    again = {series(row) for row in new.values()}
    kept = {key for key, row in old.items() if series(row) not in again}
    assert {old[key]["status"] for key in kept} <= {"ok"}
    assert len(new) + len(kept) == REQUESTED
    assert statuses(new) <= {"ok"}
    field.seen.append(f"--resume: {len(kept)} kept, {len(new)} new")
    field.account = [str(REQUESTED), str(found[after].end["reported"]), str(len(kept & set(new))), "see --resume"]


def test_nothing_happens(field):
    driver = begin(field)
    assert driver.wait() == 0
    base, rows = field.came_out(REQUESTED)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1})
    assert all(sweeps(field.results)[f"{base}.m0{number}"].rows for number in (1, 2, 3, 4))
    assert not list(field.folder.glob("m?/*.jsonl"))


@pytest.mark.parametrize("how", ["down", "silent"])
def test_a_member_s_link_is_cut(field, how):
    driver = begin(field, patience_s=SHORT_S)
    cut_s = time.monotonic()
    field.network.cut("m2", how)
    assert LINK in field.seconds(driver, LOST, cut_s)
    assert driver.wait() == 0
    assert field.members["m2"].wait(60) == 69  # nobody answers it
    _, rows = field.came_out(REQUESTED)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1, 2})
    by_hand(field, "m2")
    field.came_out(REQUESTED)


def test_a_member_s_link_is_cut_and_mended(field):
    driver = begin(field, *MANY, patience_s=SHORT_S)
    cut_s = time.monotonic()
    field.network.cut("m2", "silent")
    field.seconds(driver, LOST, cut_s)
    field.network.mend("m2")
    mended_s = time.monotonic()
    field.seconds(driver, "m05 takes part", mended_s)
    assert driver.wait() == 0
    base, rows = field.came_out(3 * 12 * 4)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1, 2})
    field.seen.append(f"{len(sweeps(field.results)[f'{base}.m05'].rows)} rows as m05")
    assert sweeps(field.results)[f"{base}.m05"].rows


def test_a_member_is_killed(field):
    driver = begin(field)
    killed_s = killed(field.members["m2"])
    field.seconds(driver, LOST, killed_s)
    assert driver.wait() == 0
    _, rows = field.came_out(REQUESTED)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1, 2})
    by_hand(field, "m2")
    field.came_out(REQUESTED)


def test_a_member_stops_before_its_answer_is_taken(field):
    """Dask would give the order once more, and a driver that fetched its result would wait for ever."""
    driver = begin(field, change=lambda line: [line[0], "-c", LATE, *line[3:]], until="stopped", patience_s=SHORT_S)
    field.seconds(driver, LOST, time.monotonic())
    killed(field.members["m2"])
    assert driver.wait() == 0
    _, rows = field.came_out(REQUESTED)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1, 2})


def test_two_of_four_members_are_cut(field):
    driver = begin(field, patience_s=SHORT_S)
    cut_s = time.monotonic()
    field.network.cut("m2", "down")
    field.network.cut("m3", "silent")
    field.seconds(driver, f"(?s){LOST}.*{LOST}".replace("[^\\n]*", "[^:]*"), cut_s)
    assert driver.wait() == 0
    _, rows = field.came_out(REQUESTED)
    assert (statuses(rows), attempts(rows)) == ({"ok"}, {1, 2})
    by_hand(field, "m2", "m3")
    field.came_out(REQUESTED)


def test_the_scheduler_is_killed(field):
    driver = begin(field, patience_s=SHORT_S)
    killed_s = killed(field.head)
    assert driver.wait() == 69
    field.seen.append(f"the driver ended with 69 ({time.monotonic() - killed_s:.1f} s)")
    assert [member.wait(60) for member in field.members.values()] == [69] * 4
    field.came_out(REQUESTED)
    by_hand(field, *field.members)
    _, rows = field.came_out(REQUESTED)
    assert statuses(rows) == {"ok", "interrupted"}


def test_the_scheduler_s_link_is_cut_and_mended(field):
    driver = begin(field)
    field.network.cut(SCHEDULER, "silent")
    time.sleep(14)
    field.network.mend(SCHEDULER)
    mended_s = time.monotonic()
    field.seconds(driver, r"m0[5-9] takes part", mended_s)
    assert driver.wait() == 0
    _, rows = field.came_out(REQUESTED)
    assert statuses(rows) == {"ok"}
    assert max(attempts(rows)) > 1  # 3 where a machine was too busy to come back at once


def test_the_driver_is_killed(field):
    driver = begin(field, until=r"^4\d/")
    killed(driver)
    time.sleep(3)  # the blocks that were under way are measured to their end
    field.seen.append(f"collected {' '.join(field.collect().split())}")
    assert not list(field.folder.glob("m?/*.jsonl"))
    assert "nothing to collect" in field.collect()
    resumed(field)


def test_the_driver_s_link_is_cut_for_longer_than_its_patience(field):
    driver = begin(field, patience_s=SHORT_S)
    cut_s = time.monotonic()
    field.network.cut(DRIVER, "silent")
    assert driver.wait() == 69
    field.seen.append(f"the driver ended with 69 ({time.monotonic() - cut_s:.1f} s)")
    field.came_out(REQUESTED)
    field.network.mend(DRIVER)
    while "still runs" in field.collect():
        assert time.monotonic() - cut_s < 60
    _, rows = field.came_out(REQUESTED)
    assert statuses(rows) == {"ok", "interrupted"}
    assert not list(field.folder.glob("m?/*.jsonl"))
    assert [member.process.poll() for member in field.members.values()] == [None] * 4
    resumed(field)


@pytest.mark.parametrize("seconds", [3, 14])
def test_the_driver_s_link_is_cut_for_less_than_its_patience(field, seconds):
    driver = begin(field)
    field.network.cut(DRIVER, "silent")
    time.sleep(seconds)
    field.network.mend(DRIVER)
    assert driver.wait() == 0
    field.seen += re.findall(LOST, driver.said())
    _, rows = field.came_out(REQUESTED)
    assert statuses(rows) == {"ok"}
    assert seconds > 12 or attempts(rows) == {1}  # Dask notices no shorter one


def test_all_members_are_lost(field):
    driver = begin(field, patience_s=SHORT_S)
    killed_s = max(killed(member) for member in field.members.values())
    assert driver.wait() == 1
    field.seen.append(f"the driver ended with 1 ({time.monotonic() - killed_s:.1f} s)")
    field.came_out(REQUESTED)
    by_hand(field, *field.members)
    _, rows = field.came_out(REQUESTED)
    assert statuses(rows) == {"ok", "interrupted"}
    assert any("no machine of its kind" in row["reason"] for row in rows.values())


@pytest.mark.soak
def test_a_member_that_measures_real_frameworks_is_killed(tmp_path):
    with machines(tmp_path, 3, "numpy and torch, a member is killed") as field:
        field.change = real
        field.all(3, "numpy", "torch", patience_s=60)
        amount = ("--framework", "numpy,torch", "--model", "mlp,lenet", "--dataset", "mnist-5k", "--threads", "1")
        driver = field.drive(*amount, "--epochs", "1", "--rounds", "2", "--seeds", "1", patience_s=60)
        driver.until(r"^2/", 240)
        field.seconds(driver, LOST, killed(field.members["m2"]))
        assert driver.wait(400) == 0, driver.said()
        _, rows = field.came_out(2 * 2 * 3)
        assert statuses(rows) == {"ok"}
        assert {row["lockstep"] for row in rows.values()} == {"pass"}
