from __future__ import annotations

import math
import os
import shutil
import struct

import pandas as pd
import pytest

from benchmarks.machine.imports import ROOT, _modules, code_hash
from benchmarks.record.store import append
from report.results import arrow
from report.results.load import load, records


@pytest.fixture
def count(monkeypatch):
    """Return a list that grows with each file that is parsed."""
    parsed = []
    blocks = arrow.blocks
    monkeypatch.setattr(arrow, "blocks", lambda file, sweep: (parsed.append(sweep.path.name), blocks(file, sweep))[1])
    return parsed


def test_a_file_is_parsed_once_and_read_the_same_again(cache_folder, results, count, capsys):
    cold, cold_said = load(results), capsys.readouterr().err
    warm, warm_said = load(results), capsys.readouterr().err
    assert count == ["a.jsonl"]
    pd.testing.assert_frame_equal(cold, warm)
    assert "a.jsonl, line 5" in cold_said
    assert warm_said == cold_said
    assert records(results)[0].stops[0]["reason"] == "time cap"
    assert load(results, ["loss"])["round"].tolist() == [0, 1, 2]
    assert count == ["a.jsonl"]


def test_a_file_that_grew_is_parsed_anew_and_its_old_entry_goes(cache_folder, results, row):
    assert len(load(results)) == 3
    append(results / "a.jsonl", "row", {**row, "round": 3})
    assert load(results)["round"].tolist() == [0, 1, 2, 3]
    assert len(list(cache_folder.iterdir())) == 1


def test_a_file_of_the_same_size_and_time_is_not_taken_for_the_old_one(cache_folder, results):
    path = results / "a.jsonl"
    load(results)
    before, text = path.stat(), path.read_bytes()
    path.write_bytes(text.replace(b'"round": 2', b'"round": 7'))  # breaks the line's checksum
    while path.stat().st_ctime_ns <= before.st_ctime_ns:  # the file system's clock has a grain
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert load(results)["round"].tolist() == [0, 1]


def test_a_file_that_has_only_just_changed_is_not_kept(cache_folder, results, monkeypatch):
    monkeypatch.setattr(arrow, "SETTLED_S", 2.0)
    assert len(load(results)) == 3
    assert not cache_folder.exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(cache_folder, results, row, monkeypatch):
    blocks = arrow.blocks

    def slowly(file, sweep):
        yield from blocks(file, sweep)
        append(results / "a.jsonl", "row", row)

    monkeypatch.setattr(arrow, "blocks", slowly)
    assert len(load(results)) == 3
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no Parquet at all",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-9] + bytes(9),
        lambda data: data[:400] + bytes(b ^ 255 for b in data[400:500]) + data[500:],
        lambda data: data.replace(b"lockstep", b"lockstop"),
        lambda data: data.replace(struct.pack("<d", math.pi), struct.pack("<d", math.e)),
    ],
)
def test_a_damaged_entry_is_made_again(cache_folder, results, count, damage):
    frame = load(results)
    [entry] = cache_folder.iterdir()
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    for _ in range(2):
        pd.testing.assert_frame_equal(load(results), frame)
    assert count == ["a.jsonl"] * 2
    assert len(entry.read_bytes()) == len(sound)


@pytest.mark.parametrize("place", ["file", "/proc/lockstep"])
def test_a_cache_that_cannot_be_written_costs_time_alone(cache_folder, results, monkeypatch, tmp_path, place):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / place))
    assert len(load(results)) == 3


def test_a_full_disk_leaves_no_entry(cache_folder, results, monkeypatch):
    def full(self, block):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrow.pq.ParquetWriter, "write_table", full)
    assert len(load(results)) == 3
    assert list(cache_folder.iterdir()) == []


def test_an_entry_depends_on_the_code_that_reads_and_on_no_table(tmp_path):
    def changed(name):
        """Return the hash where this module of the report has another line."""
        folder = tmp_path / name.replace("/", "-")
        shutil.copytree(ROOT / "report", folder / "report", ignore=shutil.ignore_patterns("*.html", "__pycache__"))
        with (folder / "report" / name).open("a") as file:
            file.write("# changed\n")
        return code_hash(arrow.__name__, folders=(folder, ROOT), packages=False)

    ours = code_hash(arrow.__name__, packages=False)
    assert ours in arrow._code()
    assert changed("results/arrow.py") != ours
    assert [changed(name) == ours for name in ("tables/compare.py", "__init__.py")] == [True, True]
    assert {"adapters.contract", *(f"benchmarks.record.{name}" for name in ("schema", "store"))} <= set(
        _modules(arrow.__name__, packages=False)
    )


def test_other_code_reads_anew(cache_folder, results, count, monkeypatch):
    load(results)
    monkeypatch.setattr(arrow, "_code", lambda: "another hash")
    load(results)
    assert len(count) == 2
    assert len(list(cache_folder.iterdir())) == 1


def test_files_of_one_name_in_two_folders_are_two_entries(cache_folder, results, tmp_path, row):
    append(tmp_path / "a.jsonl", "row", {**row, "round": 9})
    assert len(load(results)) == 3
    assert load(tmp_path)["round"].tolist() == [9]
    assert len(list(cache_folder.iterdir())) == 2
