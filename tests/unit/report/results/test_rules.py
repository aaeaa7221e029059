"""Every rule is broken by hand-made results, one at a time, and found; the others are kept."""

from __future__ import annotations

import pytest

from report.results import rules
from tests.unit.conftest import SWEEP

LATER = "20260102T000000-abcdef"


def change(lines, number, **changes):
    """Return the lines with one of them changed."""
    return [(kind, record | changes if n == number else record) for n, (kind, record) in enumerate(lines)]


def row_of(lines, task="speed", framework="jax"):
    """Return the place of the last such row."""
    return max(n for n, (_, r) in enumerate(lines) if r.get("task") == task and r.get("framework") == framework)


def split(lines):
    """Return lines by file: each run's record begins one."""
    files = []
    for line in lines:
        if line[0] == "run" or not files:
            files.append([])
        files[-1].append(line)
    return files


def from_another(lines, framework="jax", **changes):
    """Return the lines with a framework's rows from a sweep of its own, whose record differs so."""
    run = {name: value for name, value in lines[0][1].items() if name != "requested"} | {"sweep": LATER} | changes
    mine = [(kind, {**r, "sweep": LATER}) for kind, r in lines if r.get("framework") == framework]
    others = [(kind, r) for kind, r in lines if r.get("framework") != framework]
    return change([*others, ("run", run), *mine, lines[-1]], 0, requested={"cells": 1})


def frameworks(lines, **changes):
    """Return the environments of the run's record with jax's changed."""
    known = lines[0][1]["frameworks"]
    return {**known, "jax-cpu": known["jax-cpu"] | changes}


BROKEN = {  # what breaks a rule: (rule, level, how)
    "the gate says fail": (1, "error", lambda lines: change(lines, row_of(lines), lockstep="fail")),
    "unproven without a reason": (1, "error", lambda lines: change(lines, row_of(lines), lockstep="unproven")),
    "above the peak": (2, "error", lambda lines: change(lines, row_of(lines), mfu=1.01)),
    "above the roofline": (2, "error", lambda lines: change(lines, row_of(lines), roofline_share=1.2)),
    "a seed twice": (3, "error", lambda lines: change(lines, row_of(lines, "accuracy"), seed=0)),
    "other threads": (4, "error", lambda lines: [
        (kind, r | {"threads": 1, "cpu_per_wall": 0.9} if r.get("framework") == "jax" else r) for kind, r in lines
    ]),
    "too few threads compute": (4, "error", lambda lines: change(lines, row_of(lines), threads_computing=1)),
    "too many CPUs": (4, "error", lambda lines: change(lines, row_of(lines), cpu_per_wall=2.2)),
    "two versions": (5, "error", lambda lines: change(lines, row_of(lines), framework_version="2")),
    "two Pythons": (5, "error", lambda lines: change(
        lines, 0, frameworks=frameworks(lines, versions={"python": "3.12.1"})
    )),
    "two locks": (5, "error", lambda lines: [
        *lines, ("run", {**lines[0][1], "sweep": LATER, "requested": {}, "frameworks": {
            "jax-cpu": lines[0][1]["frameworks"]["jax-cpu"] | {"lock": "2" * 16},
        }}), ("row", {**lines[row_of(lines)][1], "sweep": LATER, "mode": "compiled"}),
    ]),
    "two codes": (6, "warning", lambda lines: from_another(lines, code="1" * 16)),
    "two kinds of machine": (6, "warning", lambda lines: from_another(lines, machine_kind="def")),
    "two oracles": (7, "error", lambda lines: change(lines, row_of(lines), oracle_sha256="def")),
    "a cell is missing": (8, "error", lambda lines: [line for line in lines if line[1].get("framework") != "jax"]),
}  # fmt: skip


def findings(folder):
    return list(rules.findings(rules.read_all(folder, rules.READ)))


def found(folder):
    return [finding for finding in findings(folder) if finding.level != "ok"]


def test_a_healthy_set_keeps_every_rule(healthy, write):
    assert [(f.level, f.what) for f in findings(write(healthy))] == [
        ("ok", f"rule 1.{rule.number}") for rule in rules.RULES
    ]


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_a_rule_is_found_and_nothing_else(healthy, write, what):
    number, level, breaking = BROKEN[what]
    for place, lines in enumerate(split(breaking(healthy))):
        folder = write(lines, f"{place}.jsonl")
    broken = found(folder)
    assert {(finding.what, finding.level) for finding in broken} == {(f"rule 1.{number}", level)}
    assert all(finding.advice for finding in broken)


def test_every_rule_is_broken_above():
    assert {number for number, *_ in BROKEN.values()} == {rule.number for rule in rules.RULES}
    assert [rule.number for rule in rules.RULES] == list(range(1, len(rules.RULES) + 1))


def test_what_says_of_itself_that_it_is_unsure_is_a_note(healthy, write):
    lines = change(healthy, row_of(healthy), lockstep="unproven", reason="the gate ended timeout")
    lines = change(lines, row_of(lines, framework="torch"), threads_computing=1, flags=["thread_mismatch"])
    assert [(f.what, f.level) for f in found(write(lines))] == [("rule 1.1", "note"), ("rule 1.4", "note")]


def test_what_is_verified_in_float32_only_is_a_note(healthy, write):
    lines = change(healthy, row_of(healthy), lockstep="float32 only", reason="it has no float64")
    said = found(write(lines))
    assert [(f.what, f.level, "float32 only" in str(f)) for f in said] == [("rule 1.1", "note", True)]


def test_what_does_not_count_breaks_no_rule(healthy, write):
    again = [(kind, r | ({"sweep": LATER} if "sweep" in r else {})) for kind, r in healthy]
    for kind, record in change(healthy, row_of(healthy), lockstep="fail", mfu=3.0):
        write([(kind, record)])
    folder = write(again, "b.jsonl")
    assert found(folder) == []
    write([("row", {**healthy[1][1], "revision": "abc", "lockstep": "fail"})])
    write([("row", {**healthy[1][1], "sweep": LATER, "status": "impossible", "mfu": 3.0, "round": 7})], "b.jsonl")
    assert found(folder) == []


def test_resumed_launches_belong_to_the_sweep_that_went_on(healthy, write):
    folder = write([line for line in healthy if line[1].get("framework") != "jax" and line[0] != "end"])
    run = healthy[0][1] | {"sweep": LATER, "resumes": [SWEEP]}
    write([("run", run), *((k, {**r, "sweep": LATER}) for k, r in healthy if r.get("framework") == "jax"), healthy[-1]],
          "b.jsonl")  # fmt: skip
    assert found(folder) == []
    write([("row", {**healthy[2][1], "sweep": LATER})], "b.jsonl")  # torch's seed 0, trained again
    assert [finding.what for finding in found(folder)] == ["rule 1.3"]


def test_many_broken_places_are_counted(healthy, write):
    many = [("row", {**healthy[1][1], "round": n, "mfu": 2.0}) for n in range(2, 1000)]
    broken = found(write([*healthy, *many]))
    assert len(broken) == 11
    assert broken[-1].found == "and 988 more of these"


END = ("end", {"wall_s": {"import": 1.0}})


@pytest.fixture
def launch(row):
    """Make a good speed launch of a sweep over machines."""
    good = {**row, "framework_version": "1", "attempt": 1, "threads_computing": row["threads"], "cpu_per_wall": 1.0}
    return lambda **changes: {**good, **changes}


def test_what_members_and_driver_report_is_of_one_sweep(launch, family):
    lost = launch(framework="jax", status="interrupted", attempt=2)
    assert found(family([("row", lost), END], {1: [launch()], 2: [launch(round=1, attempt=2)]})) == []


def test_a_cell_that_only_an_overtaken_attempt_has_is_missing(launch, family):
    folder = family([END], {1: [launch(), launch(framework="jax")], 2: [launch(attempt=2)]})
    [finding] = found(folder)
    assert (finding.what, finding.level) == ("rule 1.8", "error")
    assert f"sweep {SWEEP}: 2 configurations requested, 1 reported" in finding.found


def test_a_killed_driver_says_nothing_of_what_is_missing(launch, family):
    assert found(family([], {1: [launch()]})) == []


def test_what_an_overtaken_attempt_measured_breaks_no_rule(launch, family):
    first = [launch(framework=name, mfu=2.0, lockstep="fail") for name in ("torch", "jax")]
    assert found(family([END], {1: first, 2: [launch(framework=name, attempt=2) for name in ("torch", "jax")]})) == []


def test_a_seed_that_was_trained_anew_counts_once(launch, family):
    both = [launch(framework=name, task="accuracy", accuracy=0.9) for name in ("torch", "jax")]
    assert found(family([END], {1: both, 2: [{**made, "attempt": 2} for made in both]})) == []


def test_threads_of_what_was_lost_are_those_of_its_sweep(launch, family):
    """jax's launch with one thread stands in the driver's file, the others in the member's."""
    made = [launch(framework=name, threads=n) for name, n in (("torch", 1), ("torch", 2), ("jax", 2))]
    lost = launch(framework="jax", threads=1, status="interrupted")
    assert found(family([("row", lost), END], {1: made})) == []
