"""Appending where nothing fits any more, by a process whose files may not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.record.store import append
from tests.kept import read_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweep.jsonl"


def write(path, row, count=3):
    append(path, "run", {"sweep": row["sweep"]})
    for number in range(count):
        append(path, "row", {**row, "round": number})


@pytest.mark.fault(11)
def test_a_full_disk_leaves_earlier_rows_intact(path, row):
    write(path, row)
    size = path.stat().st_size
    program = (
        "import json, resource, signal, sys; from pathlib import Path; from benchmarks.record.store import append\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "append(Path(sys.argv[1]), 'row', json.loads(sys.argv[3]))"
    )
    command = [sys.executable, "-c", program, str(path), str(size + 100), json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert "StorageError" in done.stderr
    assert len(read_file(path).rows) == 3
