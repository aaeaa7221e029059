"""Others' results: what may be shown, and what is missing where it may not."""

from __future__ import annotations

import json

import pytest

from benchmarks.record.store import append
from report import cli
from report.results import submissions

RUN = {
    "machine_kind": "0" * 16,
    "machine": {"cpu": "A processor"},
    "frameworks": {"torch-cpu": {"lock": "0" * 16}, "jax-cpu": {"packages": {"jax": "0.10.2"}}},
}
PROVEN = {
    "train_samples_per_s": 1000.0, "lockstep_max_deviation": 1e-7, "oracle_sha256": "0" * 64, "replayed_steps": 10,
    "replay_deviation": 1e-7, "lockstep": "pass",
}  # fmt: skip


@pytest.fixture
def submit(tmp_path, row):
    """Return what writes a submission of one sweep: a row for each of some changes to a good one."""

    def submitted(name, *changes, run=RUN, sweep=""):
        folder = tmp_path / "all" / name
        folder.mkdir(parents=True, exist_ok=True)
        sweep = sweep or f"20260101T000000-{name}"
        append(folder / f"{sweep}.jsonl", "run", {"sweep": sweep, **run})
        for number, change in enumerate(changes):
            append(folder / f"{sweep}.jsonl", "row", {**row, **PROVEN, "sweep": sweep, "round": number, **change})
        return tmp_path / "all"

    return submitted


def findings(results):
    return [(found.level, found.what, found.found) for found in submissions.findings(results)]


def test_a_whole_submission_can_be_shown(submit):
    learnt = {"task": "accuracy", "train_samples_per_s": None, "replayed_steps": None, "accuracy": 0.9}
    failed = {"status": "crashed", "train_samples_per_s": None, "lockstep": "unproven", "replayed_steps": None}
    results = submit("alice", {}, {"framework": "jax", "lockstep": "float32 only"}, learnt, failed)
    assert findings(results) == [("ok", "alice", "4 launches, 2 of them with a speed, can be shown")]


@pytest.mark.parametrize(
    ("change", "run", "why"),
    [
        ({}, {"machine": {}}, submissions.NO_MACHINE),
        ({}, {"machine": {"cpu": " "}}, submissions.NO_MACHINE),
        ({}, {"machine_kind": ""}, submissions.NO_MACHINE),
        ({}, {"frameworks": {}}, submissions.NO_LOCK),
        ({}, {"frameworks": {"torch-cpu": {"lock": "", "packages": {}}}}, submissions.NO_LOCK),
        ({"lockstep": "unproven", "reason": "no float64"}, {}, submissions.NO_PROOF),
        ({"lockstep_max_deviation": None}, {}, submissions.NO_PROOF),
        ({"oracle_sha256": None}, {}, submissions.NO_PROOF),
        ({"replayed_steps": None}, {}, submissions.NO_REPLAY),
        ({"replay_deviation": None}, {}, submissions.NO_REPLAY),
        ({"status": "impossible", "replay_deviation": None}, {}, submissions.NO_REPLAY),
        ({"framework": "mxnet"}, {}, submissions.NO_LOCK),
    ],
)
def test_no_number_without_machine_lock_and_proof(submit, change, run, why):
    results = submit("bob", {}, change, run={**RUN, **run})
    wrong = 2 if run else 1
    [(level, what, found)] = findings(results)
    assert (level, what) == ("error", "bob")
    assert found.startswith(f"{wrong} of 2 launches cannot be shown, the first: {why}: ")
    assert found.endswith(f"speed round {2 - wrong}")


def test_damage_is_named_first(submit):
    results = submit("bob", {}, {"replayed_steps": None})
    [path] = results.glob("bob/*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"round": 0', b'"round": 7'))
    [(level, _, found)] = findings(results)
    assert level == "error"
    assert "line 2: checksum does not match" in found


def test_a_copied_sweep_is_its_first_submitters(submit):
    submit("alice", {}, sweep="20260101T000000-same")
    results = submit("bob", {}, sweep="20260101T000000-same")
    assert [(level, what) for level, what, _ in findings(results)] == [("ok", "alice"), ("error", "bob")]
    assert "a copy of alice's sweep" in findings(results)[1][2]


def test_a_submission_without_a_speed_shows_nothing(submit):
    assert findings(submit("alice"))[0][::2] == ("error", "no speed in it")


def test_the_page_leaves_out_what_cannot_be_shown_and_names_it(submit, tmp_path, capsys):
    submit("alice", {}, {})
    results = submit("bob", {"train_samples_per_s": 987_654.0, "framework": "jax", "replayed_steps": None})
    out = tmp_path / "page" / "p.html"
    cli.page(results, out)
    assert "bob: 1 launch left out, the first: no replay" in " ".join(capsys.readouterr().err.split())
    assert "torch" in out.with_suffix(".csv").read_text()
    assert "987654" not in out.with_suffix(".csv").read_text()


def test_a_copy_is_not_on_the_page_twice(submit):
    submit("alice", {}, sweep="20260101T000000-same")
    results = submit("bob", {}, {}, sweep="20260101T000000-same")
    frame, words = submissions.showable(results, submissions.READ)
    assert len(frame) == 1
    assert words == ["bob: 2 launches left out, the first: a copy of alice's sweep"]


def test_a_page_of_nothing_says_so(submit, tmp_path):
    results = submit("bob", {"replayed_steps": None})
    with pytest.raises(cli.UsageError, match="can be shown"):
        cli.page(results, tmp_path / "p.html")


def test_the_program_prints_a_section(submit, capsys):
    cli.check_results(submit("alice", {}), of_others=True)
    [found] = json.loads(capsys.readouterr().out)["submissions"]
    assert found["level"] == "ok"
