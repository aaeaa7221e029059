"""How far a training is: takes what a worker says after each epoch, before it answers.

A line of JSON an epoch, on the descriptor of the answer, which has no line's end itself. A framework is not trusted
here either: a line that is none ends the launch, as an answer that is none does.

One fresh process: start it, feed it its request, wait without working, end it, say how it ended.

The worker answers on a descriptor of its own, so that whatever a framework prints cannot spoil a result. Between it and
us stands worker/supervisor.py, which ends as the worker ends and leaves nothing of it behind.
The parent blocks in poll(2) meanwhile: one that looks in a loop burns half of a two-core machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.launch.outcome import MAX_ANSWER_BYTES, MAX_REASON_CHARACTERS, AnswerInvalid, Outcome, decoded, judge
from benchmarks.machine import environments, hardware
from benchmarks.machine.memory import MemoryLimit, MemoryWatch
from benchmarks.plan.cells import Cell
from benchmarks.record.values import loads
from benchmarks.worker.protocol import CellAxes, Progress, Request, checked_request
from benchmarks.worker.validate import mistake

MAX_LINE_BYTES = 512
MAX_LINES = 100_000
Report = Callable[[Progress], None]


class ProgressLines:
    """Takes the lines off what a worker has said and hands their figures on; what is left is the answer's."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.taken = 0

    def take(self, said: bytearray) -> None:
        """Take all whole lines; AnswerInvalid, which goes on after `the worker's answer`, at the first that is none."""
        while (end := said.find(b"\n")) >= 0:
            line = bytes(said[:end])
            del said[: end + 1]
            self.taken += 1
            if self.taken > MAX_LINES:
                raise AnswerInvalid(f"comes after more than {MAX_LINES} lines of progress")
            self.report(_parse_progress(line))


def _parse_progress(line: bytes) -> Progress:
    """Return what a line says; AnswerInvalid if it is no line of progress."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
        said = loads(line)
    except ValueError as error:
        raise AnswerInvalid(f"has a line of progress that cannot be read: {error}") from None
    if wrong := mistake(Progress, said):
        raise AnswerInvalid(f"has a line of progress that {wrong}")
    return cast(Progress, said)


GRACE_S = 5.0  # from SIGTERM to SIGKILL
LOWEST_DESCRIPTOR = 200  # of an answer: what guesses at descriptors, or closes all low ones, does not meet it
PIPE_READS = 64  # of 64 KiB: more than a pipe holds, so that a writer nobody can end does not keep us reading
UNLIMITED = MemoryLimit()


def axes(cell: Cell) -> CellAxes:
    """Return a cell as a request holds it."""
    return cast(CellAxes, dataclasses.asdict(cell))


def launch_in(
    framework: str,
    device: str,
    request: Request,
    threads: int,
    timeout_s: float,
    revision: str = "",
    memory: MemoryLimit = UNLIMITED,
    progress: Report | None = None,
) -> Outcome:
    """Run one worker in a framework's environment, on as many physical cores as it has threads.

    Its adapters are those of a revision's commit, or the checkout's; `progress` hears of each epoch if the request asks
    for it. Raises EnvironmentMissing where there is no environment.
    """
    python = environments.interpreter(framework, device)
    asked = hardware.addressed(request, device)
    cpus = hardware.physical_cpus()[:threads]
    folder = environments.folder(revision) if revision else None
    return launch(python, asked, threads, cpus, timeout_s, folder, memory, device, progress)


def launch(
    python: Path,
    request: Mapping[str, Any],
    threads: int,
    cpus: Sequence[int],
    timeout_s: float,
    folder: Path | None = None,
    memory: MemoryLimit = UNLIMITED,
    device: str = "cpu",
    progress: Report | None = None,
) -> Outcome:
    """Run one worker to its end. Never raises for what the worker does, nor where the system cannot start it.

    `folder`, by default the checkout, is where it starts and where Python looks first for adapters/; of the machine's
    cards it sees `device` alone.
    """
    try:
        with memory.watch() as watch:
            process, reader = start(python, request, threads, cpus, folder, watch, device)
            try:
                ending = _attend(process, reader, str(request["task"]), timeout_s, progress)
            finally:
                stop(process)
                os.close(reader)
            return ending.explained(watch)
    except OSError as error:  # no more processes, descriptors or memory; an interpreter that cannot be executed
        return Outcome("failed", f"the worker could not be started: {error.strerror}", None, "")


def start(
    python: Path,
    request: Mapping[str, Any],
    threads: int,
    cpus: Sequence[int],
    folder: Path | None,
    watch: MemoryWatch,
    device: str,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a supervisor, which starts the worker; return it and the descriptor on which the worker answers.

    The request goes to the worker through the supervisor's stdin; MessageInvalid if it is not of its task's type. The
    worker does not outlive the thread that calls this: see worker/supervisor.py.
    """
    line = json.dumps(checked_request(request)).encode() + b"\n"
    reader, low = os.pipe()
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, reader)
        try:
            writer = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
        finally:
            os.close(low)
        try:
            arguments = [str(writer), str(os.getpid()), str(GRACE_S), watch.argument]
            with on_cpus(cpus):
                process = subprocess.Popen(
                    [str(python), "-m", environments.PROGRAM, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environments.variables(threads, device),
                    cwd=folder or environments.ROOT,
                    pass_fds=(writer,),
                    start_new_session=True,
                )
        finally:
            os.close(writer)
        undo.callback(stop, process)
        stdin = cast(IO[bytes], process.stdin)
        with contextlib.suppress(BrokenPipeError):  # it died before it could read; its exit code tells
            stdin.write(line)
            stdin.flush()
        undo.pop_all()
    return process, reader


@contextlib.contextmanager
def on_cpus(cpus: Sequence[int]) -> Iterator[None]:
    """Start children on these CPUs: this thread's mask is theirs from before their exec."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _attend(
    process: subprocess.Popen[bytes], reader: int, task: str, timeout_s: float, progress: Report | None
) -> Outcome:
    """End its input, then sleep until the worker has closed its channels or its time is over."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with contextlib.suppress(BrokenPipeError):  # what it did not read is still in the buffer
        stdin.close()
    deadline = time.monotonic() + timeout_s
    said, printed = bytearray(), bytearray()
    channels = {reader: said, stdout.fileno(): printed}
    lines = ProgressLines(progress) if progress else None
    exited = os.pidfd_open(process.pid)  # a child that it left behind may hold its channels open
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in (*channels, exited):
                selector.register(descriptor, selectors.EVENT_READ)
            running = True
            while running:
                ready = selector.select(deadline - time.monotonic())
                if not ready and time.monotonic() >= deadline:
                    return Outcome("timeout", f"not finished after {timeout_s:g} s", None, decoded(printed))
                running = exited not in {key.fd for key, _ in ready}
                for descriptor in channels.keys() & {key.fd for key, _ in ready} if running else channels:
                    if not receive(descriptor, channels[descriptor], drain=not running):
                        selector.unregister(descriptor)
                if lines:
                    lines.take(said)
    except AnswerInvalid as error:
        return Outcome("invalid", f"the worker's answer {error}"[:MAX_REASON_CHARACTERS], None, decoded(printed))
    finally:
        os.close(exited)
    return judge(process.wait(), bytes(said), decoded(printed), task)


def receive(descriptor: int, kept: bytearray, drain: bool) -> bool:
    """Read once, or all that is there; keep no more than MAX_ANSWER_BYTES; return whether more may come."""
    os.set_blocking(descriptor, False)
    try:
        for _ in range(PIPE_READS if drain else 1):
            if not (data := os.read(descriptor, 65536)):
                return drain  # when it has exited nothing is waited for, and nothing need be unregistered
            kept += data
            del kept[: -MAX_ANSWER_BYTES - 1]
    except BlockingIOError:
        pass
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the worker and all it started: the supervisor needs the grace twice at most, and is then killed too."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2 * GRACE_S + 1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
