"""A machine that joined a scheduler: Dask's worker in a thread of its own, the measuring in the main thread.

The functions that Dask calls hand an order over to the main thread and sleep until it is carried out: one at a time,
whoever asks. So a worker process starts as in a sweep on one machine, from the main thread, which Ctrl-C reaches.

Orders and answers are JSON, and so are errors that a user can act on. The answer to an order goes to the driver as rows
do, before Dask says that the order has ended. The driver would have to fetch a result: where the machine is lost in
that moment, Dask gives the order once more by itself, and the driver waits for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin
from distributed.comm import get_local_address_for
from distributed.utils import get_ip_interface

from benchmarks.errors import EngineError, LockstepError
from benchmarks.machine import signals
from benchmarks.machine.signals import Interrupted
from benchmarks.sweep.dask.copies import some_lines, whole_lines
from benchmarks.sweep.dask.facts import Facts, missing_probe, other_protocol, probes_of, with_networks
from benchmarks.sweep.dask.scheduler import Background, security
from benchmarks.sweep.dask.session import Session

Json = dict[str, Any]


def _member() -> Member:
    """Return this process's member; EngineError where it is a worker that did not join."""
    if Member.present is None:
        raise EngineError("this worker of Dask's is no member: python -m benchmarks cluster join ADDRESS makes one")
    return Member.present


def _answer_json(work: Callable[[Member], Json]) -> str:
    """Return what a member answers, or its error."""
    try:
        return json.dumps(work(_member()), allow_nan=False)
    except (LockstepError, OSError) as error:
        return json.dumps({"error": str(error)})


def answer(question: str) -> str:
    """Answer one of QUESTIONS at once, whatever this machine measures."""
    about = json.loads(question)
    return _answer_json(lambda member: QUESTIONS[about.pop("question")](member, **about))


def carry_out(text: str) -> None:
    """Have the main thread carry out one of ORDERS, and send what it answers to the driver."""
    order = json.loads(text)

    def done(member: Member) -> Json:
        if wrong := other_protocol("the driver", order.get("protocol")):
            raise EngineError(wrong)
        return member.do(order["driver"], lambda: ORDERS[order["order"]](member, order))

    _member().send(order.get("driver", ""), {"sweep": order["sweep"], "answer": _answer_json(done)})


SLOT = "measuring"  # the Dask resource of which a member has one
TOPIC = "lockstep"
ABANDON = signal.SIGUSR1  # ends the order that is being carried out
RETRY_S = 1.0  # between two tries to join a scheduler that does not answer: nothing tells when it is back
AWAY = (OSError, TimeoutError, ValueError)  # no scheduler, or it still knows this name from before the link was cut


class Member:
    """This machine as a member: its facts, the folder of its files, the parts of sweeps that it has."""

    present: Member | None = None  # of this process

    def __init__(self, facts: Facts, folder: Path, say: Callable[[str], None]) -> None:
        self.facts, self.folder, self.say = facts, folder, say
        self.parts: dict[str, Session] = {}
        self.orders: queue.SimpleQueue[tuple[str, Callable[[], Json], Future[Json]] | None] = queue.SimpleQueue()
        self.busy = ""  # Dask's name of the driver that an order is being carried out for
        self.worker: Worker | None = None
        self.joined = False  # whether the last worker reached the scheduler

    def send(self, driver: str, what: Json) -> None:
        """Send a driver what it is to know, as JSON; others hear it too."""
        if self.worker is not None:
            self.worker.log_event(TOPIC, {"driver": driver, "json": json.dumps(what, allow_nan=False)})

    # What Dask calls, in its own threads.

    def do(self, driver: str, work: Callable[[], Json]) -> Json:
        """Have the main thread carry out a driver's order and return its result; raise what it raises."""
        future: Future[Json] = Future()
        self.orders.put((driver, work, future))
        return future.result()

    def file(self, sweep: str) -> Path:
        """Return the file of a sweep."""
        return self.folder / f"{Path(sweep).name}.jsonl"

    def open(self, order: Mapping[str, Any]) -> Json:
        """Begin a part; EngineError where this machine has one of that sweep for another driver."""
        base = order["part_of"]
        if any(part.base == base and part.driver != order["driver"] for part in self.parts.values()):
            raise EngineError(f"this machine knows a sweep {base} of another driver; start this one again")
        pairs = [(framework, device) for framework, device in order["probes"]]
        facts = with_networks(self.facts, order["networks"], pairs)
        probes = probes_of(facts)
        known = {pair: probes.get(pair) or missing_probe(*pair) for pair in pairs}
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.file(order["sweep"])
        self.say(f"{order['sweep']}: begins")
        self.parts[order["sweep"]] = part = Session(order, known, path, partial(self.send, order["driver"]))
        return {"data": part.data(), "lines": part.lines_sent, "probes": facts["probes"]}

    def measure(self, order: Mapping[str, Any]) -> Json:
        """Measure a block."""
        part = self.parts[order["sweep"]]
        part.measure(order)
        return {"lines": part.lines_sent}

    def facts_now(self) -> Json:
        """Return the machine's facts, and its wall clock now."""
        return {**self.facts, "wall_s": time.time()}

    def lines(self, sweep: str, first: int) -> Json:
        """Return lines of a sweep's file from one on."""
        return {"lines": some_lines(self.file(sweep), first)}

    def sweep_files(self) -> Json:
        """Return the sweeps that this machine keeps a file of, with Dask's name for the driver of present ones."""
        names = sorted(path.stem for path in self.folder.glob("*.jsonl"))
        return {"sweeps": {name: self.parts[name].driver if name in self.parts else "" for name in names}}

    def close(self, lines: Mapping[str, int]) -> Json:
        """End parts; delete the files of which the driver has as many lines as they hold."""
        for sweep, count in lines.items():
            if part := self.parts.pop(sweep, None):
                part.close()
            with contextlib.suppress(FileNotFoundError):
                if whole_lines(self.file(sweep)) == count:
                    self.file(sweep).unlink()
                    self.say(f"{sweep}: ended; all {count:,} lines are where they were asked for")
        return {}

    def abandon(self, driver: str) -> Json:
        """End what is being measured for a driver; empty: for any driver."""
        if self.busy and driver in ("", self.busy):
            os.kill(os.getpid(), ABANDON)
        return {}

    def note_end(self) -> None:
        """End the main thread's waiting when Dask's worker has ended."""
        self.joined, self.worker = self.worker is not None, None
        self.abandon("")
        self.orders.put(None)

    # The main thread.

    def forget_parts(self) -> None:
        """Forget the parts, whose driver counts this member as lost; their files stay."""
        for part in self.parts.values():
            part.close()
        self.parts.clear()

    def attend(self) -> None:
        """Carry out orders until None comes."""
        while (order := self.orders.get()) is not None:
            driver, work, future = order
            try:
                with signals.interruptible(ABANDON):
                    self.busy = driver
                    future.set_result(work())
            except Interrupted as ending:
                future.set_exception(EngineError(f"the block was ended by {ending.signal.name}"))
                if ending.signal != ABANDON:
                    raise
            except Exception as error:
                future.set_exception(error)
            finally:
                self.busy = ""


QUESTIONS: dict[str, Callable[..., Json]] = {
    "facts": Member.facts_now,
    "lines": Member.lines,
    "sweep files": Member.sweep_files,
    "close": Member.close,
    "abandon": Member.abandon,
}
ORDERS = {"open": Member.open, "measure": Member.measure}


class Leaving(WorkerPlugin):
    """Ends what is measured as soon as Dask's worker begins to close: it would wait half a minute for it first."""

    def __init__(self, member: Member) -> None:
        self.member = member

    def teardown(self, worker: Worker) -> None:
        """End what is measured: nobody can take its result."""
        self.member.abandon("")


async def serve(member: Member, address: str, name: str | None, patience_s: float, interface: str | None) -> None:
    """Be a worker of Dask's until the scheduler is gone or this is cancelled."""
    # Without this Dask would listen on every address of the machine.
    host = get_ip_interface(interface) if interface else get_local_address_for(address).partition("://")[2].strip("[]")
    worker = Worker(
        address, nthreads=1, name=name, resources={SLOT: 1}, security=security(address, "worker"), host=host,
        memory_limit=0, dashboard_address="127.0.0.1:0", death_timeout=patience_s, plugins=(Leaving(member),),
    )  # fmt: skip
    async with worker:
        member.worker = worker
        member.say(f"joined {address}: one measuring slot; Ctrl-C leaves")
        await worker.finished()


def run_member(member: Member, address: str, name: str | None, patience_s: float, interface: str | None) -> None:
    """Be a member until the scheduler has been away for longer than the patience; then EngineError."""
    Member.present = member
    seen_s = time.monotonic()
    while time.monotonic() - seen_s < patience_s:
        work = serve(member, address, name, patience_s, interface)
        with Background(work, "dask", member.note_end) as background:
            member.attend()
        member.forget_parts()
        if member.joined:
            seen_s = time.monotonic()
            member.say(f"the scheduler at {address} has gone; trying to join it again for {patience_s:g} s")
        elif not isinstance(background.error, AWAY):
            raise background.error or RuntimeError("Dask's worker ended without a word")
        else:
            why = str(background.error).splitlines()
            member.say(f"cannot join {address} yet: {why[0] if why else type(background.error).__name__}")
        time.sleep(RETRY_S)
    raise EngineError(
        f"no scheduler at {address} for {patience_s:g} s; start one: python -m benchmarks cluster schedule. What"
        " was measured and the driver lacks stays here: python -m benchmarks cluster collect"
    )
