"""Unit tests compute: one that starts a process, sleeps or connects to anything fails. tests/process is for those."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from rich.table import Table

from benchmarks.record.store import append
from benchmarks.worker import interference, speed, timing
from tests.unit.known_lines import ENVIRONMENT

SWEEP = "20260101T000000-abcdef"


class Clock:
    """A clock that only work moves, so that no load on the machine can spoil a test."""

    def __init__(self):
        self.ns = 1_000_000_000

    def perf_counter_ns(self):
        return self.ns

    process_time_ns = perf_counter_ns

    def perf_counter(self):
        return self.ns / 1e9

    def sleep(self, seconds):
        self.ns += max(1000, round(seconds * 1e9))

    def work(self, seconds_per_unit):
        def work(amount):
            cost = seconds_per_unit() if callable(seconds_per_unit) else seconds_per_unit
            self.ns += round(amount * cost * 1e9)

        return work


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (interference, speed, timing):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def healthy(row):
    """Return (kind, record) of each line of healthy results: two frameworks, two rounds and two seeds each."""
    about = {**ENVIRONMENT, "versions": {"python": "3.11.7"}}
    run = {"sweep": SWEEP, "machine_kind": "abc", "code": "0" * 16, "requested": {"cells": 2, "launches": 8}}
    lines = [("run", run | {"frameworks": {"torch-cpu": about, "jax-cpu": {**about, "lock": "1" * 16}}})]
    good = {**row, "framework_version": "1", "oracle_sha256": "abc", "threads_computing": 2, "cpu_per_wall": 1.9}
    for framework in ("torch", "jax"):
        for number in range(2):
            mine = {**good, "framework": framework, "round": number}
            lines.append(("row", {**mine, "train_samples_per_s": 1000.0, "mfu": 0.5, "roofline_share": 0.6}))
            lines.append(("row", {**mine, "task": "accuracy", "accuracy": 0.9, "seed": number}))
    return [*lines, ("end", {"wall_s": {"import": 1.0}})]


@pytest.fixture
def write(tmp_path):
    """Write lines into a file of a folder; return the folder."""

    def made(lines, name="a.jsonl"):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for kind, record in lines:
            append(folder / name, kind, record)
        return folder

    return made


@pytest.fixture
def family(row, write):
    """Write a sweep over machines: its driver's lines and the rows of each member, by number; return the folder."""

    def made(driver, members):
        run = {"sweep": SWEEP, "engine": {"name": "dask"}, "requested": {"cells": 2, "launches": 4}}
        folder = write([("run", run), *driver], f"{SWEEP}.jsonl")
        for number, rows in members.items():
            name = f"{SWEEP}.m0{number}"
            lines = [("run", {"sweep": name, "part_of": SWEEP, "machine_kind": "abc"})]
            write([*lines, *(("row", {**found, "sweep": name}) for found in rows)], f"{name}.jsonl")
        return folder

    return made


OUTSIDE = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
    "socket.connect", "time.sleep",  # the last one by the fixture below: this Python audits no sleep
}  # fmt: skip
seen: list[str] | None = None  # of the test that runs; an audit hook stays for as long as the interpreter lives

settings.register_profile("inner", max_examples=25, deadline=None)  # tox -e unit; the whole run draws more


def examples(count: int) -> int:
    """Return how many examples a test draws that draws another number than Hypothesis's own."""
    return min(count, 25) if settings.get_current_profile_name() == "inner" else count


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse what leaves this process while a unit test runs, however it is called."""
    if event in OUTSIDE and seen is not None and arguments != (0,):
        seen.append(f"{event}{arguments}"[:200])
        raise AssertionError(f"a unit test does not call {seen[-1]}: see tests/process")


def in_columns(table: Table) -> dict[str, list[str]]:
    """Return a table's cells by heading, as people see them."""
    return {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}


sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch) -> Iterator[None]:
    """Fail where a test did so, even if what it tests caught the refusal."""
    global seen  # noqa: PLW0603
    monkeypatch.setattr(time, "sleep", lambda seconds: refuse("time.sleep", (seconds,)))
    seen = []
    yield
    tried, seen = seen, None
    assert not tried, tried
