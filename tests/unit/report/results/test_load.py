from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import adapters.recipes
from adapters.declaration import SGD
from adapters.networks import declared, digest
from adapters.recipes import RECIPES
from benchmarks.errors import LockstepError, StorageError, UsageError
from benchmarks.machine.environments import ROOT
from benchmarks.record.schema import COLUMNS
from benchmarks.record.store import append
from report.results.load import COLUMN_NAMES, KEYS, load, records
from tests.unit.known_lines import RECORDS

OTHER = "20260102T000000-bbbbbb"


@pytest.fixture
def results(row, tmp_path):
    """A folder with two sweeps, one row each and two."""
    folder = tmp_path / "results"
    folder.mkdir()
    for sweep, count in ((row["sweep"], 1), (OTHER, 2)):
        append(folder / f"{sweep}.jsonl", "run", {"sweep": sweep, "machine_kind": "abc"})
        for n in range(count):
            flags = [["noisy"], [], None][n]
            append(folder / f"{sweep}.jsonl", "row", {**row, "sweep": sweep, "round": n, "flags": flags, "loss": 1})
    return folder


def test_a_frame_has_the_schema_s_columns_and_two_more_all_nullable(results):
    frame = load(results)
    assert list(frame) == [*(column.name for column in COLUMNS), "machine_kind", "machine", "session", "overtaken"]
    assert list(frame) == list(COLUMN_NAMES)
    assert frame["flags"].tolist() == [["noisy"], ["noisy"], []]
    assert frame["loss"].dtype == "Float64"
    assert frame["round"].dtype == "Int64"
    assert frame["framework"].dtype == "string"
    assert frame["accuracy"].isna().all()
    assert frame["train_chunk_s"].tolist() == [None] * 3
    assert set(frame["machine_kind"]) == {"abc"}
    assert frame["session"].tolist() == frame["sweep"].tolist()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UsageError, match=r"ends in \.jsonl"):
        load(tmp_path / "notes.txt")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read xxx.*too long"):
        load("x" * 5000)


def test_what_is_no_file_is_named_and_the_others_are_read(results, capsys):
    there = len(load(results))
    (results / "folder.jsonl").mkdir()
    assert len(load(results)) == there
    assert "folder.jsonl: a folder, not a regular file; ignored" in capsys.readouterr().err


def test_some_columns_come_with_those_that_tell_launches_apart(results):
    frame = load(results, columns=["loss", "framework"])
    assert set(frame) == {*KEYS, "loss"}
    pd.testing.assert_frame_equal(frame, load(results)[list(frame)])
    with pytest.raises(UsageError, match="did you mean: accuracy") as caught:
        load(results, columns=["acuracy"])
    assert isinstance(caught.value, LockstepError)


def test_categories_are_the_same_text_in_less_memory(results):
    frame, compact = load(results), load(results, categories=True)
    assert compact["sweep"].dtype == "category"
    assert compact["reason"].isna().all()
    plain = compact.astype(frame.dtypes)
    lists = [name for name in frame if frame[name].dtype == object]
    for name in lists:  # of numbers Arrow's, which say NA in place of None
        plain[name] = plain[name].where(plain[name].notna(), None)
    pd.testing.assert_frame_equal(plain, frame)
    assert list(compact["sweep"].cat.categories) == sorted(set(frame["sweep"]))


def test_no_file_no_row_and_nothing_but_damage_are_empty_frames(tmp_path, capsys):
    assert load(tmp_path).empty
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert load(tmp_path, categories=True).empty
    (tmp_path / "a.jsonl").write_bytes(b"damage\n")
    frame = load(tmp_path)
    assert frame.empty
    assert list(frame) == list(COLUMN_NAMES)
    assert frame["loss"].dtype == "Float64"
    assert "a.jsonl, line 1: not JSON" in capsys.readouterr().err


def test_what_a_damaged_line_says_forges_nothing_on_the_terminal(tmp_path, capsys):
    append(tmp_path / "a\x1b[31m.jsonl", "row", {"schema_version": "\x1b[2J\n"})
    assert load(tmp_path).empty
    said = capsys.readouterr().err
    assert "line 1" in said
    assert "\x1b" not in said
    assert len(said.splitlines()) == 1


def test_a_kind_of_machine_that_is_no_text_is_unknown(tmp_path, row):
    for name, run in (("a", {}), ("b", {"machine_kind": 5}), ("c", {"machine_kind": "\ud800"})):
        append(tmp_path / f"{name}.jsonl", "run", run)
        append(tmp_path / f"{name}.jsonl", "row", row)
    assert load(tmp_path)["machine_kind"].tolist() == ["unknown", "unknown", "\\ud800"]


@pytest.mark.fault(47)
def test_data_sets_of_one_stem_are_told_apart_by_what_the_records_say_of_them(tmp_path, row):
    own = {"a": ("digits", "1" * 64), "b": ("digits", "2" * 64), "c": ("digits-11111111", "1" * 64)}
    for file, (name, sha256) in {**own, "d": ("mnist", "3" * 64)}.items():
        append(tmp_path / f"{file}.jsonl", "run", {"data": {name: sha256}})
        append(tmp_path / f"{file}.jsonl", "row", {**row, "dataset": name})
    append(tmp_path / "a.jsonl", "row", {**row, "dataset": "digits-11111111"})
    names = ["digits-11111111", "digits-11111111", "digits-22222222", "digits-11111111", "mnist"]
    assert load(tmp_path)["dataset"].tolist() == names
    assert load(tmp_path, categories=True)["dataset"].tolist() == names


@pytest.mark.fault(52)
def test_networks_of_one_s_own_are_known_by_what_the_records_declare(tmp_path, row, monkeypatch):
    """A name that is not its content's, and one of ours that another network has taken, are left as they are."""
    monkeypatch.setattr("adapters.recipes.RECIPES", dict(RECIPES))
    small = replace(RECIPES["mlp"], optimiser=SGD(0.3))
    names = []
    for batch_size in (7, 8):
        one = replace(small, batch_size=batch_size)
        name = f"own-{digest(one)[:8]}"
        names.append(name)
        declaration = {**declared(one), "name": name}
        append(tmp_path / f"{batch_size}.jsonl", "network", {"name": name, "declaration": declaration})
        append(tmp_path / f"{batch_size}.jsonl", "row", {**row, "recipe": name, "model": name})
    for name in ("own-00000000", "mlp"):
        append(tmp_path / "7.jsonl", "network", {"name": name, "declaration": {**declared(small), "name": name}})
    assert load(tmp_path)["recipe"].tolist() == names
    known = adapters.recipes.RECIPES
    assert [known[name].batch_size for name in names] == [7, 8]
    assert known.keys() - RECIPES.keys() == set(names)
    assert known["mlp"] == RECIPES["mlp"]


def test_records_stand_beside_the_rows(results, row):
    append(results / f"{OTHER}.jsonl", "stop", RECORDS["stop"])
    append(results / f"{OTHER}.jsonl", "proof", RECORDS["proof"])
    append(results / f"{OTHER}.jsonl", "end", {"wall_s": {"import": 1.0}})
    first, second = records(results)
    assert (first.run["sweep"], first.rows, first.stops) == (row["sweep"], [], [])
    assert second.path.name == f"{OTHER}.jsonl"
    assert second.stops[0]["reason"] == "time cap"
    assert second.proofs[0]["framework"] == "torch"
    assert second.end["wall_s"] == {"import": 1.0}


def test_launches_of_a_resumed_sweep_belong_to_the_last_that_resumed_it(results, row):
    append(results / "c.jsonl", "run", {"sweep": "20260103T000000-cccccc", "resumes": [OTHER]})
    append(results / "c.jsonl", "row", {**row, "sweep": "20260103T000000-cccccc"})
    frame = load(results).set_index("sweep")["session"]
    assert set(frame[OTHER]) == {"20260103T000000-cccccc"}
    assert frame[row["sweep"]] == row["sweep"]


def test_sweeps_that_one_resumed_may_share_a_file(tmp_path, row):
    append(tmp_path / "a.jsonl", "run", {"sweep": "3", "resumes": ["1", "2"]})
    for sweep in "123":
        append(tmp_path / "a.jsonl", "row", {**row, "sweep": sweep})
    for categories in (False, True):
        assert load(tmp_path, categories=categories)["session"].tolist() == ["3"] * 3


def test_the_kept_results_load(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    assert len(load(ROOT / "results" / "reference")) == 204
