"""The parts of the engine that need Dask and no other process."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from benchmarks import storage
from benchmarks.engine.asking import Answer, Clock
from benchmarks.engine.connection import checked
from benchmarks.engine.copies import Copy
from benchmarks.engine.driver import Driver
from benchmarks.errors import UsageError


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "127.8.9.1:80"])
def test_this_machine_may_be_reached_without_encryption(address):
    assert checked(address, insecure=False).startswith("tcp://")


@pytest.mark.parametrize("address", ["192.0.2.1:8786", "tcp://lab:8786", "tcp://[2001:db8::1]:1", "0.0.0.0:8786"])
def test_another_machine_only_with_encryption_or_when_asked(address):
    with pytest.raises(UsageError, match="not encrypted"):
        checked(address, insecure=False)
    assert checked(address, insecure=True)
    assert checked("tls://" + address.removeprefix("tcp://"), insecure=False)


@pytest.mark.parametrize(
    "address", ["", "lab", "http://lab:80", "tcp://:80", "tcp://lab:port", "lab:99999", "inproc://x:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="is no scheduler's address"):
        checked(address, insecure=True)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no", "an answer that is none"), (None, "an answer that is none"), ("[1]", "an answer that is none"),
        (OSError("cut from tcp://192.0.2.1"), "it does not answer"), (ValueError("odd"), "ValueError: odd"),
        ('{"error": "full"}', "full"), ('{"lines": 3}', ""),
    ],
)  # fmt: skip
def test_an_answer_is_read_or_is_an_error(text, error):
    assert error in Answer(text).error
    assert bool(Answer(text).error) == bool(error)


def test_a_driver_waits_for_the_disk_once_a_second_not_once_a_row(tmp_path, monkeypatch):
    """An fsync took longer than all else that a driver does for a row: 15 of 21 ms on a disk that others use."""
    board = SimpleNamespace(tell=print, show=lambda *_: None)
    driver = Driver(SimpleNamespace(), SimpleNamespace(), tmp_path, board, 1, 60.0)
    machine = SimpleNamespace(sweep="a.m01", copy=Copy(tmp_path / "a.m01.jsonl"), kind=None, series=None, block=None)
    driver.crew.present["tcp://a"] = machine
    cell = {"recipe": "mlp", "dataset": "mnist", "device": "cpu", "batch_size": 1, "dtype": "float32", "threads": 1}
    line = storage.line("stop", {**cell, "rounds": 1, "reason": "rounds"}).decode()
    for number in range(20):
        told = json.dumps({"sweep": "a.m01", "first": number, "lines": [line]})
        driver.intake.inbox.put(lambda told=told: driver.intake.hear({"json": told}))
    waits = []
    monkeypatch.setattr("os.fsync", waits.append)
    driver.intake.take(1.0)
    assert machine.copy.path.read_text() == 20 * line
    assert (machine.copy.settled, len(waits)) == (0, 1)  # the new file's name
    driver.intake.settled_s -= 2.0
    driver.intake.take(0.01)
    assert (machine.copy.settled, len(waits)) == (20, 2)


def test_a_clock_is_compared_when_its_answer_came_not_when_the_driver_looks(tmp_path):
    """Planning 100,000 cells kept a driver from looking for a second, and it lost three members of four."""
    board = SimpleNamespace(tell=print, show=lambda *_: None, went=lambda *_: None)
    driver = Driver(SimpleNamespace(status="closed"), SimpleNamespace(), tmp_path, board, 1, 60.0)
    answer = json.dumps({"lines": 0, "clock_s": 1020.0})
    future = SimpleNamespace(status="finished", key="a", release=lambda: None)
    machine = SimpleNamespace(
        name="m01", address="tcp://a", future=future,
        clock=Clock(1000.0, time.monotonic() - 20.0, time.monotonic() - 20.0),
        copy=Copy(tmp_path / "a.jsonl"), kind=SimpleNamespace(), series=None, waiting={},
        answer=Answer(answer),
    )  # fmt: skip
    driver.crew.present[machine.address] = machine
    driver.intake.arrived(machine, future)
    time.sleep(1.5)
    driver.intake.take(1.0)
    assert list(driver.crew.present.values()) == [machine]
    assert machine.future is None
