"""Two processes that fill one cache."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT
from benchmarks.record.store import append
from report.results import cache
from tests.unit.known_lines import RECORDS


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return the folder of the cache, in which what has only just been written is kept too."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SETTLED_S", -60)
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


def test_two_processes_read_at_once(kept, results):
    program = (
        "import sys; from report import load; from report.results import cache; cache.SETTLED_S = -60\n"
        "for _ in range(5): assert len(load(sys.argv[1])) == 3"
    )
    command = [sys.executable, "-c", program, str(results)]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert len(list(kept.iterdir())) == 1
