"""Results and a cache for tests of reading, here and in tests/process."""

from __future__ import annotations

import math

import pytest

from benchmarks.record.store import append
from report.results import arrow
from tests.unit.known_lines import RECORDS


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    """Return the folder of the cache, in which what has only just been written is kept too."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(arrow, "SETTLED_S", -60)
    return tmp_path / "cache" / "rows"


@pytest.fixture
def results(tmp_path, row):
    folder = tmp_path / "results"
    folder.mkdir()
    append(folder / "a.jsonl", "run", {"sweep": row["sweep"], "machine_kind": "abc"})
    for n in range(3):
        append(folder / "a.jsonl", "row", {**row, "round": n, "flags": ["noisy"] * n, "train_chunk_s": [math.pi, 0.2]})
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b"damage\n")
    append(folder / "a.jsonl", "stop", RECORDS["stop"])
    return folder
