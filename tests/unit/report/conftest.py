"""Sets of results as a user would have them: folders of rows."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.record.store import append
from report.results.load import load
from report.tables.between import between
from report.tables.metrics import DEFAULT
from tests.unit.report.known import BASE, KINDS


@pytest.fixture(scope="session", autouse=True)
def no_library():
    """Leave the library of charts out of pages: it takes seconds to make, and only browsers run it (tests/browser)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("report.page.charts.library", lambda: "window.vegaEmbed = null;")
        patch.setattr("benchmarks.machine.git.web_address", lambda: "")  # it starts git
        yield


@pytest.fixture
def make(row):
    """Make an ok speed row with a few changes."""
    measured = {"framework_version": "2.13.0", "train_samples_per_s": 1000.0, "flops_per_s": 454_400_000.0}
    return lambda **changes: {**row, "sweep": "20260101T000000-aaaaaa", **measured, **changes}


@pytest.fixture
def write_set(tmp_path):
    """Write rows into a folder of this name, a file a sweep; return the folder. `run` changes the runs' records."""

    def write(name, *rows, **run):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for row in rows:
            path = folder / f"{row['sweep']}.jsonl"
            if not path.exists():
                append(path, "run", {"machine_kind": "abc", "sweep": row["sweep"], **run})
            append(path, "row", row)
        return folder

    return write


@pytest.fixture
def launches(make):
    """Make speed launches, one for each speed."""

    def write(*speeds, **changes):
        return [make(round=n, train_samples_per_s=float(speed), **changes) for n, speed in enumerate(speeds)]

    return write


@pytest.fixture
def compare(write_set):
    """Compare two lists of rows, given as BASE and NEW, in folders of their own."""
    count = itertools.count()

    def write(*sides, name=DEFAULT, across=()):
        return between(*(load(write_set(str(next(count)), *rows)) for rows in sides), name, across)

    return write


@pytest.fixture
def on_machines(tmp_path):
    """Write the files of a sweep over machines: (kind, rows) of each member, and what its driver lost."""

    def write(members, lost=(), **asked):
        append(tmp_path / f"{BASE}.jsonl", "run", {"sweep": BASE, "engine": {"name": "dask"}, "requested": asked})
        for row in lost:
            append(tmp_path / f"{BASE}.jsonl", "row", {**row, "sweep": BASE, "status": "interrupted", "reason": "gone"})
        for number, (kind, rows) in enumerate(members, 1):
            path = tmp_path / f"{BASE}.m{number:02}.jsonl"
            about = {"machine_kind": kind, "machine": KINDS[kind], "part_of": BASE}
            append(path, "run", {"sweep": path.stem, **about})
            for row in rows:
                append(path, "row", {**row, "sweep": path.stem})
        return tmp_path

    return write
