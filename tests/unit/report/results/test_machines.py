"""The files of a sweep over several machines: its driver's and its members', in one folder."""

from __future__ import annotations

from benchmarks.machine import hardware
from benchmarks.record.store import append
from report.results.load import _name, load
from report.tables.compare import compare, newest
from tests.unit.report.known import BASE, SMALL, of_attempt


def test_members_of_other_kinds_hide_nothing_and_are_named(on_machines, launches):
    frame = load(on_machines([("small", launches(1000)), ("one core", launches(500)), ("large", launches(2000))]))
    assert len(newest(frame)) == 3
    assert set(frame["session"]) == {BASE}
    assert set(frame["machine"]) == {"A processor, 2 cores, 24 GiB", "A processor, 1 core, 24 GiB",
                                     "Another, 2 cores, 24 GiB"}  # fmt: skip


def test_the_driver_s_file_alone_names_its_members(on_machines, launches):
    folder = on_machines([("small", launches(1000)), ("large", launches(2000))])
    assert len(load(folder / f"{BASE}.jsonl")) == 2


def endings(frame):
    """Return (round, speed or how it ended) of each launch that counts."""
    found = newest(frame)
    speeds = found["train_samples_per_s"].astype(object).where(found["status"] == "ok", found["status"])
    return sorted(zip(found["round"], speeds, strict=True), key=str)


def test_the_last_attempt_counts_whatever_the_clocks_say(on_machines, launches):
    slow, fast = of_attempt(1, launches(1000, 1000)), of_attempt(2, launches(2000, 2000))
    lost = of_attempt(1, launches(1, 1, 1))[2:]
    frame = load(on_machines([("small", fast), ("small", slow)], lost))
    assert endings(frame) == [(0, 2000), (1, 2000)]  # the lost one was begun anew too


def test_a_machine_that_joined_again_begins_anew_in_its_own_file(on_machines, launches):
    frame = load(on_machines([("small", [*of_attempt(1, launches(1000, 1000)), *of_attempt(2, launches(2000))])]))
    assert endings(frame) == [(0, 2000)]


def test_what_the_last_attempt_lost_is_shown_even_where_one_before_had_it(on_machines, launches):
    members = [("small", of_attempt(2, launches(2000))), ("small", of_attempt(1, launches(1000, 1000)))]
    frame = load(on_machines(members, [*of_attempt(1, launches(1, 1, 1))[2:], *of_attempt(2, launches(1, 1))[1:]]))
    assert endings(frame) == [(0, 2000), (1, "interrupted")]


def test_an_attempt_that_measured_nothing_overtakes_nothing(on_machines, launches):
    frame = load(on_machines([("small", of_attempt(1, launches(1000)))], of_attempt(2, launches(1, 1))))
    assert endings(frame) == [(0, 1000), (1, "interrupted")]


def test_what_was_lost_in_every_attempt_is_shown_once(on_machines, launches):
    frame = load(
        on_machines([], [*of_attempt(1, launches(1)), *of_attempt(2, launches(1)), *of_attempt(3, launches(1))])
    )
    assert newest(frame)["attempt"].tolist() == [3]


def test_an_attempt_by_a_wrong_clock_counts_and_is_invalid(on_machines, launches):
    wrong = [{**row, "status": "invalid", "reason": "the machine's clock"} for row in of_attempt(2, launches(2000))]
    frame = load(on_machines([("small", of_attempt(1, launches(1000))), ("small", wrong)]))
    assert endings(frame) == [(0, "invalid")]


def test_what_was_collected_after_it_was_given_up_counts_as_measured_once(on_machines, launches):
    frame = load(on_machines([("small", of_attempt(1, launches(1000, 1100)))], of_attempt(1, launches(1, 1, 1))))
    assert endings(frame) == [(0, 1000), (1, 1100), (2, "interrupted")]


def test_what_a_member_itself_says_was_interrupted_is_shown_until_another_made_it(on_machines, launches):
    told = [{**row, "status": "interrupted"} for row in of_attempt(2, launches(1, 1))]
    frame = load(on_machines([("small", of_attempt(2, launches(1000))), ("small", told)]))
    assert endings(frame) == [(0, 1000), (1, "interrupted")]


def test_what_a_resumed_sweep_makes_anew_takes_the_place_of_half_a_comparison(on_machines, launches):
    """A sweep over machines that resumes another keeps whole comparisons only; its attempts begin at 1 again."""
    folder, later = on_machines([("small", of_attempt(2, launches(1000, 1000)))]), "20260102T000000-aaaaaa"
    about = {"machine_kind": "small", "machine": SMALL, "part_of": later}
    path = folder / f"{later}.m01.jsonl"
    append(folder / f"{later}.jsonl", "run", {"sweep": later, "engine": {"name": "dask"}, "resumes": [f"{BASE}.m01"]})
    lost = of_attempt(1, launches(1, 1))[1]
    append(folder / f"{later}.jsonl", "row", {**lost, "sweep": later, "status": "interrupted"})
    append(path, "run", {"sweep": path.stem, **about})
    assert endings(load(folder)) == [(0, 1000), (1, 1000)]  # nothing was made anew yet
    append(path, "row", {**of_attempt(1, launches(2000))[0], "sweep": path.stem})
    assert endings(load(folder)) == [(0, 2000), (1, "interrupted")]


def test_tasks_begin_anew_by_themselves(on_machines, launches):
    trained = [{**row, "task": "accuracy", "accuracy": 0.9} for row in of_attempt(1, launches(1))]
    frame = load(
        on_machines([("small", [*of_attempt(1, launches(1000)), *trained]), ("small", of_attempt(2, launches(2000)))])
    )
    assert set(newest(frame)["task"]) == {"speed", "accuracy"}


def test_no_ratio_crosses_machines_where_the_second_attempt_lacks_a_framework(on_machines, launches):
    first = [*of_attempt(1, launches(1000)), *of_attempt(1, launches(500, framework="jax"))]
    table = compare(load(on_machines([("small", first), ("small", of_attempt(2, launches(3000)))])))
    assert table["train_samples_per_s"].dropna().tolist() == [3000]


def test_a_lost_launch_is_of_the_kind_that_has_its_cell_and_is_shown_until_it_was_made(on_machines, launches):
    members = [("small", of_attempt(1, launches(1000), "1" * 16)), ("large", of_attempt(1, launches(2000), "2" * 16))]
    frame = load(on_machines(members, of_attempt(1, launches(1, 1), "2" * 16)))
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
