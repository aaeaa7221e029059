"""The parts of the engine that need Dask and no other process."""

from __future__ import annotations

import json
import signal
from collections import Counter
from types import SimpleNamespace

import pytest

from benchmarks.errors import StorageError, UsageError
from benchmarks.machine import environments
from benchmarks.plan.cells import PRESETS, Request, RequestedAxes
from benchmarks.record import store
from benchmarks.sweep.dask import member, workers
from benchmarks.sweep.dask.copies import Copy
from benchmarks.sweep.dask.driver import Driver
from benchmarks.sweep.dask.events import Account
from benchmarks.sweep.dask.facts import PROTOCOL
from benchmarks.sweep.dask.scheduler import checked
from benchmarks.sweep.dask.session import Session
from benchmarks.sweep.dask.workers import Answer


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
        ("no", "its answer is not valid"), (None, "its answer is not valid"), ("[1]", "its answer is not valid"),
        (OSError("cut from tcp://192.0.2.1"), "it does not answer"), (ValueError("odd"), "ValueError: odd"),
        ('{"error": "full"}', "full"), ('{"lines": 3}', ""),
    ],
)  # fmt: skip
def test_an_answer_is_read_or_is_an_error(text, error):
    assert error in Answer(text).error
    assert bool(Answer(text).error) == bool(error)


def test_a_driver_waits_for_the_disk_once_a_second_not_once_a_row(tmp_path, monkeypatch):
    """An fsync took longer than all else that a driver does for a row: 15 of 21 ms on a disk that others use."""
    display = SimpleNamespace(message=print, show=lambda *_: None)
    driver = Driver(SimpleNamespace(), SimpleNamespace(results=tmp_path), display, 1, 60.0)
    machine = SimpleNamespace(sweep="a.m01", copy=Copy(tmp_path / "a.m01.jsonl"), kind=None, series=None, block=None)
    driver.workers.present["tcp://a"] = machine
    cell = {"recipe": "mlp", "dataset": "mnist", "device": "cpu", "batch_size": 1, "dtype": "float32"}
    cell |= {"threads": 1, "input": "preloaded"}
    line = store._line("stop", {**cell, "rounds": 1, "reason": "rounds"}).decode()
    for number in range(20):
        told = json.dumps({"sweep": "a.m01", "first": number, "lines": [line]})
        driver.events.inbox.put(lambda told=told: driver.events.hear({"json": told}))
    waits = []
    monkeypatch.setattr("os.fsync", waits.append)
    driver.events.take(1.0)
    assert machine.copy.path.read_text() == 20 * line
    assert (machine.copy.settled, len(waits)) == (0, 1)  # the new file's name
    driver.events.settled_s -= 2.0
    driver.events.take(0.01)
    assert (machine.copy.settled, len(waits)) == (20, 2)


@pytest.fixture
def joined(tmp_path, monkeypatch):
    """Return this process as a member that carries out orders at once; `told` holds what it tells, by driver."""
    found = member.Member({"probes": []}, tmp_path, print)
    found.told = []
    monkeypatch.setattr(found, "do", lambda driver, work: work())
    monkeypatch.setattr(found, "send", lambda driver, what: found.told.append((driver, what)))
    monkeypatch.setattr(member.Member, "present", found)
    return found


def workers_of(client, folder, monkeypatch, **facts):
    """Return a driver's workers, and what is shown when one member with these facts has come."""
    said = []
    monkeypatch.setattr(workers, "ask", lambda client, address, work: Answer(json.dumps({**facts, "wall_s": 0.0})))
    found = workers.Workers(client, "one", folder, 60.0, said.append)
    found.welcome("tcp://a")
    return found, said


@pytest.mark.parametrize(("version", "named"), [(PROTOCOL + 1, f"version {PROTOCOL + 1}"), (None, "no version")])
def test_who_speaks_another_protocol_is_refused_before_anything_else(joined, tmp_path, monkeypatch, version, named):
    words = f"speaks {named} of the protocol between machines, we speak {PROTOCOL}; bring both to one commit"
    member.carry_out(json.dumps({"order": "measure", "protocol": version, "driver": "theirs", "sweep": "one.m01"}))
    assert joined.told == [("theirs", {"sweep": "one.m01", "answer": json.dumps({"error": f"the driver {words}"})})]
    found, said = workers_of(None, tmp_path, monkeypatch, protocol=version, code="other")
    assert (found.present, said) == ({}, [f"tcp://a takes no part: it {words}"])


def test_who_speaks_the_protocol_must_measure_by_the_same_code(tmp_path, monkeypatch):
    found, said = workers_of(None, tmp_path, monkeypatch, protocol=PROTOCOL, code="other", commit="abc")
    assert (found.present, "measures by other code" in said[0]) == ({}, True)
    found, said = workers_of(None, tmp_path, monkeypatch, protocol=PROTOCOL, code=environments.code_hash())
    assert ([*found.present], said) == (["tcp://a"], [])


@pytest.mark.fault(51)
def test_a_member_refuses_a_sweep_that_it_knows_from_another_driver(joined, monkeypatch):
    monkeypatch.setattr(member, "Session", lambda order, known, path, send: SimpleNamespace(
        base=order["part_of"], driver=order["driver"], lines_sent=0, data=list, send=send
    ))  # fmt: skip

    def opened(driver, sweep, base):
        order = {"protocol": PROTOCOL, "driver": driver, "sweep": sweep, "part_of": base, "probes": [], "networks": []}
        member.carry_out(json.dumps({"order": "open", **order}))
        return Answer(joined.told.pop()[1]["answer"]).error

    assert opened("ours", "one.m01", "one") == ""
    assert (
        opened("theirs", "one.m02", "one") == "this machine knows a sweep one of another driver; start this one again"
    )
    assert opened("theirs", "two.m01", "two") == ""
    assert {name: part.driver for name, part in joined.parts.items()} == {"one.m01": "ours", "two.m01": "theirs"}
    joined.parts["one.m01"].send({})
    assert joined.told == [("ours", {})]


@pytest.mark.fault(51)
def test_a_driver_ends_and_hears_only_what_is_measured_for_it(joined, tmp_path, monkeypatch):
    killed = Counter()
    monkeypatch.setattr("os.kill", lambda process, number: killed.update([signal.Signals(number)]))
    joined.busy = "ours"
    for driver, count in (("theirs", 0), ("ours", 1), ("", 2)):
        member.answer(json.dumps({"question": "abandon", "driver": driver}))
        assert killed.total() == count, driver
    driver = Driver(
        SimpleNamespace(id="ours"), SimpleNamespace(results=tmp_path), SimpleNamespace(message=print), 1, 60.0
    )
    for name in ("theirs", "ours"):
        driver.events.receive((0.0, {"driver": name, "json": "{}"}))
    assert driver.events.inbox.qsize() == 1


@pytest.mark.fault(51)
def test_a_member_leaves_a_file_that_it_has_already_as_it_is(tmp_path):
    axes = RequestedAxes(["numpy"], ["mlp"], ["cpu"], [100], [None], ["float32"], [1], ["preloaded"], [""])
    facts = {"fingerprints": {"cpu": "kind"}, "cores": 1, "probes": []}
    request = Request(axes, [], PRESETS["quick"], tmp_path, 60.0, 60.0)
    order = {**workers.opening(request, "one.m01", "one", facts), "driver": "ours"}
    path = tmp_path / "one.m01.jsonl"
    path.write_text("theirs")
    with pytest.raises(StorageError, match="another sweep's"):
        Session(order, {}, path, print)
    assert path.read_text() == "theirs"


@pytest.mark.fault(51)
def test_a_driver_leaves_the_files_of_another_alone(tmp_path, monkeypatch):
    """By files that are there: its own, and its copy of a member's when it ends before the sweep began."""
    found, _ = workers_of(None, tmp_path, monkeypatch, protocol=PROTOCOL, code=environments.code_hash())
    for name in ("one", "one.m01"):
        (tmp_path / f"{name}.jsonl").write_text("theirs")
    request = SimpleNamespace(record=dict, axes=SimpleNamespace(modes=[]))
    with pytest.raises(StorageError, match="another sweep's"):
        Account("one", tmp_path / "one.jsonl").begin(request, [], [])
    found.forget()
    assert {path.read_text() for path in tmp_path.iterdir()} == {"theirs"}
    assert len(list(tmp_path.iterdir())) == 2
