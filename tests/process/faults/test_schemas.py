"""Rows of an older and of a newer schema in one folder: refused, named, and not a byte of them changed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT
from benchmarks.record.schema import SCHEMA_VERSION
from benchmarks.record.store import _checksum


def sealed(record):
    """Return a line as another version may write it, with a checksum that holds."""
    body = json.dumps(record)[:-1]
    return f'{body}, "checksum": "{_checksum(body.encode())}"}}\n'


@pytest.mark.fault(28)
def test_rows_of_other_versions_are_refused_in_a_line_and_left_alone(sweep, rows, cache, tmp_path):
    results = tmp_path / "results"
    code, said, [row] = sweep("--framework", "instant-0")
    assert code == 0, said
    files = {SCHEMA_VERSION - 1: results / "20261101-old.jsonl", SCHEMA_VERSION + 1: results / "20991231-new.jsonl"}
    for version, path in files.items():
        row |= {"kind": "row", "schema_version": version, "framework": "instant-1", "temperature": 21.5}
        path.write_text(sealed({"kind": "run", "schema_version": version}) + sealed(row))
    before = [path.read_bytes() for path in files.values()]
    assert [row["framework"] for row in rows()] == ["instant-0"]
    code, said, found = sweep("--framework", "instant-0,instant-1", "--resume")
    assert code == 0, said
    assert [row["framework"] for row in found] == ["instant-0", "instant-1"]
    line = [sys.executable, "-m", "report", "rows", "--results", str(results)]
    done = subprocess.run(line, cwd=ROOT, env=cache, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [
        f"{path.name}, line 1: schema version {version}, this program reads {SCHEMA_VERSION}; "
        "read it with the version of Lockstep that wrote it; line ignored"
        for version, path in files.items()
    ]
    assert [path.read_bytes() for path in files.values()] == before
