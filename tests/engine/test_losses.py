"""Whatever is lost, and whenever: requested is reported, nothing twice, no process is left."""

from __future__ import annotations

import signal
import time

import pytest

from tests.engine.field import settled, sweeps

FAKES = ("instant-0", "instant-1", "instant-2")
AMOUNT = (
    "--framework",
    ",".join(FAKES),
    "--model",
    "linear,mlp",
    "--batch-size",
    "10,20",
    "--rounds",
    "4",
    "--seeds",
    "1",
)
REQUESTED = 3 * 4 * 5  # frameworks, comparisons, launches of a cell


@pytest.fixture
def three(field):
    field.schedule()
    return [field.join(f"m{number}", *FAKES) for number in (1, 2, 3)]


def test_a_killed_member_s_comparisons_begin_anew_on_another(field, three):
    driver = field.run(*AMOUNT, "--members", "3")
    driver.until(r"^12/60 ")
    three[1].end(signal.SIGKILL)
    assert driver.wait() == 0
    assert "was lost: its process ended, or its link was cut" in driver.said()
    base, rows = settled(field.results, REQUESTED)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {row["attempt"] for row in rows.values()} == {1, 2}
    lost = sweeps(field.results)[base].rows
    assert lost
    assert all(row["status"] == "interrupted" and "begins again as attempt 2" in row["reason"] for row in lost)


def test_a_member_that_is_told_to_leave_leaves_at_once_and_nothing_runs_on(field, three):
    driver = field.run(*AMOUNT, "--members", "3")
    driver.until(r"^12/60 ")
    assert three[0].end(signal.SIGINT) == 130
    assert driver.wait() == 0
    settled(field.results, REQUESTED)


def test_without_another_machine_what_is_left_is_interrupted_and_resume_makes_it(field):
    field.schedule()
    member = field.join("m1", *FAKES)
    driver = field.run(*AMOUNT, "--patience", "4")
    driver.until(r"^20/60 ")
    member.end(signal.SIGKILL)
    assert driver.wait() == 1
    _, rows = settled(field.results, REQUESTED)
    reasons = {row["reason"].partition(" (")[0] for row in rows.values() if row["status"] == "interrupted"}
    assert "no machine of its kind" in reasons
    measured = sum(row["status"] == "ok" for row in rows.values())
    assert measured >= 20
    field.join("m2", *FAKES)
    again = field.run(*AMOUNT, "--resume")
    assert again.wait() == 0
    names = [name for name in sweeps(field.results) if ".m" not in name.partition("-")[2]]
    resumed = sweeps(field.results)[max(names)]
    assert resumed.end["reported"] == REQUESTED
    assert (
        sum(len(sweep.rows) for name, sweep in sweeps(field.results).items() if name.startswith(max(names)))
        <= REQUESTED
    )


def test_a_killed_driver_loses_nothing_that_was_measured(field, three):
    driver = field.run(*AMOUNT, "--members", "3")
    driver.until(r"^12/60 ")
    driver.end(signal.SIGKILL)
    time.sleep(3.0)  # the blocks that were under way are measured to their end
    collected = field.start("collect", "cluster", "collect", field.address, "--results", str(field.results))
    assert collected.wait() == 0
    found = sweeps(field.results)
    assert sum(len(sweep.rows) for sweep in found.values()) >= 12
    assert [list((field.folder / f"m{number}").glob("*.jsonl")) for number in (1, 2, 3)] == [[], [], []]
    assert field.start("once-more", "cluster", "collect", field.address, "--results", str(field.results)).wait() == 0
    assert {name: len(sweep.rows) for name, sweep in found.items()} == {
        name: len(sweep.rows) for name, sweep in sweeps(field.results).items()
    }
    again = field.run(*AMOUNT, "--resume")
    assert again.wait() == 0


def test_ctrl_c_on_the_driver_ends_what_is_measured_for_it(field, three):
    driver = field.run(*AMOUNT, "--members", "3")
    driver.until(r"^12/60 ")
    assert driver.end(signal.SIGINT) == 130
    _, rows = settled(field.results, REQUESTED)
    assert {row["status"] for row in rows.values()} == {"ok", "interrupted"}
    assert all(program.process.poll() is None for program in three)  # they stay for whoever comes next
    assert field.run(*AMOUNT, "--members", "3", results="later").wait() == 0


def test_a_killed_scheduler_ends_the_sweep_with_a_row_for_everything(field):
    scheduler = field.schedule("--patience", "5")
    members = [field.join(f"m{number}", *FAKES, arguments=("--patience", "5")) for number in (1, 2)]
    driver = field.run(*AMOUNT, "--members", "2", "--patience", "5")
    driver.until(r"^12/60 ")
    scheduler.end(signal.SIGKILL)
    assert driver.wait() == 69
    _, rows = settled(field.results, REQUESTED)
    assert {row["status"] for row in rows.values()} == {"ok", "interrupted"}
    assert [member.wait(60) for member in members] == [69, 69]


def test_a_scheduler_that_comes_back_finds_members_and_driver_again(field):
    scheduler = field.schedule()
    port = field.address.rpartition(":")[2]
    for number in (1, 2):
        field.join(f"m{number}", *FAKES)
    driver = field.run(*AMOUNT, "--members", "2")
    driver.until(r"^12/60 ")
    scheduler.end(signal.SIGKILL)
    field.schedule(port=port)
    assert driver.wait() == 0
    settled(field.results, REQUESTED)
