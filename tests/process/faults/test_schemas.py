"""Rows of an older and of a newer schema in one folder: read, or refused, and not a byte of them changed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.environments import ROOT
from benchmarks.schema import SCHEMA_VERSION
from benchmarks.storage import checksum

EARLIER = ROOT / "results" / "earlier" / "schema-3.jsonl"


def sealed(record):
    """Return a line as a later version may write it, with a checksum that holds."""
    body = json.dumps(record)[:-1]
    return f'{body}, "checksum": "{checksum(body.encode())}"}}\n'


@pytest.mark.fault(28)
def test_older_rows_are_read_newer_ones_refused_and_both_left_alone(sweep, rows, cache, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    old, new = results / "20261101-old.jsonl", results / "20991231-new.jsonl"
    old.write_bytes(EARLIER.read_bytes())
    one = json.loads(EARLIER.read_text().splitlines()[-2])
    newer = {"kind": "row", **one, "schema_version": SCHEMA_VERSION + 1, "temperature": 21.5}
    new.write_text(sealed({"kind": "run", "schema_version": SCHEMA_VERSION + 1}) + sealed(newer))
    before = old.read_bytes(), new.read_bytes()
    expected = sum(b'"kind": "row"' in line for line in before[0].splitlines())
    read = rows()
    assert len(read) == expected > 50
    assert {row["schema_version"] for row in read} == {3}
    assert {row["revision"] for row in read} == {None}
    code, said, found = sweep("--framework", "instant-0", "--resume")
    assert code == 0, said
    assert len(found) == expected + 1
    line = [sys.executable, "-m", "report", "rows", "--results", str(results)]
    done = subprocess.run(line, cwd=ROOT, env=cache, capture_output=True, text=True, check=True)
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [f"{new.name}, line {n}" for n in (1, 2)]
    assert f"schema version {SCHEMA_VERSION + 1}, this program reads 2, 3, {SCHEMA_VERSION}" in done.stderr
    assert (old.read_bytes(), new.read_bytes()) == before
