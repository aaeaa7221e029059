"""The files of a sweep over several machines: its driver's and its members', in one folder."""

from __future__ import annotations

import pytest

from benchmarks.machine import hardware
from benchmarks.record.store import append
from report.page.document import _across_machines, facts
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.machines import machines
from report.results.load import load, records
from report.results.machines import _name
from report.tables.compare import compare, newest
from report.tables.over_machines import over_machines
from tests.unit.known_lines import RECORDS

BASE = "20260101T000000-aaaaaa"
SMALL = {"cpu": "A processor", "physical_cores": 2, "memory_bytes": 24 << 30}
KINDS = {"small": SMALL, "one core": {**SMALL, "physical_cores": 1}, "large": {**SMALL, "cpu": "Another"}}


@pytest.fixture
def family(tmp_path):
    """Write a sweep's files: (kind, rows) of each member, and what the driver says was lost; return the folder."""

    def write(members, lost=(), **asked):
        append(tmp_path / f"{BASE}.jsonl", "run", {"sweep": BASE, "engine": {"name": "dask"}, "requested": asked})
        for row in lost:
            append(tmp_path / f"{BASE}.jsonl", "row", {**row, "sweep": BASE, "status": "interrupted", "reason": "gone"})
        for number, (kind, rows) in enumerate(members, 1):
            path = tmp_path / f"{BASE}.m{number:02}.jsonl"
            about = {"machine_kind": kind, "machine": KINDS[kind], "part_of": BASE}
            append(path, "run", {"sweep": path.stem, **about})
            for row in rows:
                append(path, "row", {**row, "sweep": path.stem})
        return tmp_path

    return write


def of(attempt, rows, cell="0" * 16):
    """Return rows with their attempt and identity; the later an attempt, the slower was its machine's clock."""
    began = f"2026-01-01T00:00:{50 - attempt}"
    return [{**row, "cell": cell, "attempt": attempt, "started_at": began} for row in rows]


def test_members_of_other_kinds_hide_nothing_and_are_named(family, launches):
    frame = load(family([("small", launches(1000)), ("one core", launches(500)), ("large", launches(2000))]))
    assert len(newest(frame)) == 3
    assert set(frame["session"]) == {BASE}
    assert set(frame["machine"]) == {"A processor, 2 cores, 24 GiB", "A processor, 1 core, 24 GiB",
                                     "Another, 2 cores, 24 GiB"}  # fmt: skip


def test_the_driver_s_file_alone_names_its_members(family, launches):
    folder = family([("small", launches(1000)), ("large", launches(2000))])
    assert len(load(folder / f"{BASE}.jsonl")) == 2


def endings(frame):
    """Return (round, speed or how it ended) of each launch that counts."""
    found = newest(frame)
    speeds = found["train_samples_per_s"].astype(object).where(found["status"] == "ok", found["status"])
    return sorted(zip(found["round"], speeds, strict=True), key=str)


def test_the_last_attempt_counts_whatever_the_clocks_say(family, launches):
    slow, fast = of(1, launches(1000, 1000)), of(2, launches(2000, 2000))
    lost = of(1, launches(1, 1, 1))[2:]
    frame = load(family([("small", fast), ("small", slow)], lost))
    assert endings(frame) == [(0, 2000), (1, 2000)]  # the lost one was begun anew too


def test_a_machine_that_joined_again_begins_anew_in_its_own_file(family, launches):
    frame = load(family([("small", [*of(1, launches(1000, 1000)), *of(2, launches(2000))])]))
    assert endings(frame) == [(0, 2000)]


def test_what_the_last_attempt_lost_is_shown_even_where_one_before_had_it(family, launches):
    members = [("small", of(2, launches(2000))), ("small", of(1, launches(1000, 1000)))]
    frame = load(family(members, [*of(1, launches(1, 1, 1))[2:], *of(2, launches(1, 1))[1:]]))
    assert endings(frame) == [(0, 2000), (1, "interrupted")]


def test_an_attempt_that_measured_nothing_overtakes_nothing(family, launches):
    frame = load(family([("small", of(1, launches(1000)))], of(2, launches(1, 1))))
    assert endings(frame) == [(0, 1000), (1, "interrupted")]


def test_what_was_lost_in_every_attempt_is_shown_once(family, launches):
    frame = load(family([], [*of(1, launches(1)), *of(2, launches(1)), *of(3, launches(1))]))
    assert newest(frame)["attempt"].tolist() == [3]


def test_an_attempt_by_a_wrong_clock_counts_and_is_invalid(family, launches):
    wrong = [{**row, "status": "invalid", "reason": "the machine's clock"} for row in of(2, launches(2000))]
    frame = load(family([("small", of(1, launches(1000))), ("small", wrong)]))
    assert endings(frame) == [(0, "invalid")]


def test_what_was_collected_after_it_was_given_up_counts_as_measured_once(family, launches):
    frame = load(family([("small", of(1, launches(1000, 1100)))], of(1, launches(1, 1, 1))))
    assert endings(frame) == [(0, 1000), (1, 1100), (2, "interrupted")]


def test_what_a_member_itself_says_was_interrupted_is_shown_until_another_made_it(family, launches):
    told = [{**row, "status": "interrupted"} for row in of(2, launches(1, 1))]
    frame = load(family([("small", of(2, launches(1000))), ("small", told)]))
    assert endings(frame) == [(0, 1000), (1, "interrupted")]


def test_what_a_resumed_sweep_makes_anew_takes_the_place_of_half_a_comparison(family, launches):
    """A sweep over machines that resumes another keeps whole comparisons only; its attempts begin at 1 again."""
    folder, later = family([("small", of(2, launches(1000, 1000)))]), "20260102T000000-aaaaaa"
    about = {"machine_kind": "small", "machine": SMALL, "part_of": later}
    path = folder / f"{later}.m01.jsonl"
    append(folder / f"{later}.jsonl", "run", {"sweep": later, "engine": {"name": "dask"}, "resumes": [f"{BASE}.m01"]})
    lost = of(1, launches(1, 1))[1]
    append(folder / f"{later}.jsonl", "row", {**lost, "sweep": later, "status": "interrupted"})
    append(path, "run", {"sweep": path.stem, **about})
    assert endings(load(folder)) == [(0, 1000), (1, 1000)]  # nothing was made anew yet
    append(path, "row", {**of(1, launches(2000))[0], "sweep": path.stem})
    assert endings(load(folder)) == [(0, 2000), (1, "interrupted")]


def test_tasks_begin_anew_by_themselves(family, launches):
    trained = [{**row, "task": "accuracy", "accuracy": 0.9} for row in of(1, launches(1))]
    frame = load(family([("small", [*of(1, launches(1000)), *trained]), ("small", of(2, launches(2000)))]))
    assert set(newest(frame)["task"]) == {"speed", "accuracy"}


def test_no_ratio_crosses_machines_where_the_second_attempt_lacks_a_framework(family, launches):
    first = [*of(1, launches(1000)), *of(1, launches(500, framework="jax"))]
    table = compare(load(family([("small", first), ("small", of(2, launches(3000)))])))
    assert table["train_samples_per_s"].dropna().tolist() == [3000]


def test_a_lost_launch_is_of_the_kind_that_has_its_cell_and_is_shown_until_it_was_made(family, launches):
    members = [("small", of(1, launches(1000), "1" * 16)), ("large", of(1, launches(2000), "2" * 16))]
    frame = load(family(members, of(1, launches(1, 1), "2" * 16)))
    lost = frame[frame["status"] == "interrupted"]
    assert set(lost["machine_kind"]) == {"large"}
    shown = newest(frame)
    assert shown.loc[shown["status"] == "interrupted", "round"].tolist() == [1]  # round 0 was made after all


def test_kinds_of_one_name_are_told_apart(write_set, make):
    folder = write_set("set", make(), machine_kind="abc", machine=SMALL)
    write_set("set", make(sweep="20260102T000000-aaaaaa"), machine_kind="def", machine=SMALL)
    assert set(load(folder)["machine"]) == {f"A processor, 2 cores, 24 GiB ({kind})" for kind in ("abc", "def")}


def test_a_machine_s_name_has_nothing_of_host_or_user(monkeypatch):
    facts = {**hardware.facts(), "host": "lab-7", "user": "ada"}
    assert _name(facts).startswith(hardware.cpu_name()[:20])
    assert "lab-7" not in _name(facts)
    assert not {"host", "hostname", "node", "user"} & set(hardware.facts())


def test_the_mean_over_machines_is_geometric_of_ratios(family, launches):
    """torch is twice as fast as jax on one machine, half as fast on the other, which is ten times faster."""
    noise = (1.0, 1.01, 0.99, 1.0, 1.02, 0.98)

    def both(torch, jax):
        return launches(*(torch * n for n in noise)) + launches(*(jax / n for n in noise), framework="jax")

    frame = load(family([("small", both(200, 100)), ("large", both(1000, 2000))]), PAGE_COLUMNS)
    found = over_machines(compare(frame), frame).set_index("framework")
    assert found["ratio"].to_list() == pytest.approx([1, 1], rel=1e-3)
    assert found["machines"].tolist() == found["of"].tolist() == [2, 2]
    assert found["fastest"].tolist() == [1, 1]
    other = found.drop(index=found["reference"].iloc[0])
    assert other["low"].iloc[0] < 1 < other["high"].iloc[0] < 1.03
    assert [other["least"].iloc[0], other["most"].iloc[0]] == pytest.approx([0.5, 2], rel=1e-3)
    asked = over_machines(compare(frame), frame, "torch")
    assert set(asked["reference"]) == {"torch"}


def test_what_one_machine_measured_has_no_mean(family, launches):
    frame = load(family([("small", launches(200)), ("large", launches(100, batch_size=8))]), PAGE_COLUMNS)
    assert over_machines(compare(frame), frame).empty


@pytest.mark.parametrize("shown", [0, 1])
def test_what_was_asked_for_and_not_made_is_said_once_of_all_machines(family, launches, shown):
    """Whether or not the driver's file has launches that are shown."""
    lost = of(1, launches(1, 1), "2" * 16)[1 : 1 + shown]
    members = [("small", of(1, launches(200), "1" * 16)), ("large", of(1, launches(100), "2" * 16))]
    folder = family(members, lost, launches=9)
    append(folder / f"{BASE}.jsonl", "stop", {**RECORDS["stop"], "reason": "time cap"})
    append(folder / f"{BASE}.jsonl", "end", {"wall_s": {}, "reported": 3})
    inputs = Inputs(load(folder, PAGE_COLUMNS), records(folder))
    assert "6 more asked for and not made (time cap)" in list(_across_machines(inputs, machines(inputs)))
    parts = [fact for found in machines(inputs) for fact in facts(found.inputs)]
    assert not any("not made" in fact for fact in parts)
