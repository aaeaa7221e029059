"""One fresh process: start it, send its request, wait, end it, and return how it ended.

The worker answers on a descriptor of its own, so that nothing a framework prints can spoil a result. Between the worker
and this process stands worker/supervisor.py, which ends as the worker ends and leaves nothing of it behind. This
process blocks in poll(2) meanwhile: a loop that polls takes half of a two-core machine.

Before its answer a worker may write a line of JSON for each epoch on the same descriptor. A framework is not trusted:
a line that is not valid ends the launch, as an answer that is not valid does.
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from adapters.networks import declared
from adapters.recipes import RECIPES
from adapters.registry import record
from benchmarks.launch.outcome import MAX_ANSWER_BYTES, MAX_REASON_CHARACTERS, AnswerInvalid, Outcome, decoded, judge
from benchmarks.machine import environments, git, hardware
from benchmarks.machine.memory import UNLIMITED, MemoryLimit, MemoryWatch
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.protocol import CellAxes, CellRequest, Progress, Request, checked_request
from benchmarks.worker.validate import loads, mistake


@dataclass(frozen=True)
class Place:
    """A framework's interpreter, what its worker sees of this machine, and how much of it the worker may use.

    `folder` is where the worker starts and where Python looks first for adapters/; `cpus` are logical CPUs' numbers.
    """

    interpreter: Path
    variables: Mapping[str, str]  # the worker's whole environment
    cpus: tuple[int, ...]
    device: str = "cpu"  # as the harness counts cards
    card: hardware.Card | None = None  # of a GPU, where the driver can be asked
    folder: Path = environments.ROOT
    memory: MemoryLimit = UNLIMITED

    @classmethod
    def of_framework(
        cls, framework: str, device: str, threads: int, revision: str = "", memory: MemoryLimit = UNLIMITED
    ) -> Place:
        """Return the framework's environment on this machine, on as many physical cores as there are threads.

        The adapters are those of a revision's commit, or the checkout's. EnvironmentMissing without an environment.
        """
        return cls(
            environments.interpreter(framework, device),
            environments.variables(threads, device),
            tuple(hardware.physical_cpus()[:threads]),
            device,
            hardware.card_of(device),
            git.adapters_folder(revision) if revision else environments.ROOT,
            memory,
        )

    def with_caches(self, folder: Path) -> Place:
        """Return this place with kernels compiled anew: what a worker keeps of them goes to this empty folder."""
        return dataclasses.replace(self, variables={**self.variables, **environments.caches(folder)})

    def on_all_cores(self) -> Place:
        """Return this place with every physical core: for a worker whose speed nobody publishes."""
        return dataclasses.replace(self, cpus=tuple(hardware.physical_cpus()))


MAX_LINE_BYTES = 512
MAX_LINES = 100_000
Report = Callable[[Progress], None]


@dataclass
class ProgressLines:
    """Takes whole lines off the front of what a worker wrote and reports their figures; the rest is the answer."""

    report: Report
    taken: int = 0

    def take(self, written: bytearray) -> None:
        """Take all whole lines; AnswerInvalid at the first that is not valid (its message follows `the answer`)."""
        while (end := written.find(b"\n")) >= 0:
            line = bytes(written[:end])
            del written[: end + 1]
            self.taken += 1
            if self.taken > MAX_LINES:
                raise AnswerInvalid(f"comes after more than {MAX_LINES} lines of progress")
            self.report(_parse_progress(line))


def _parse_progress(line: bytes) -> Progress:
    """Return the figures of a line; AnswerInvalid if it is not a line of progress."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
        figures = loads(line)
    except ValueError as error:
        raise AnswerInvalid(f"has a line of progress that cannot be read: {error}") from None
    if wrong := mistake(Progress, figures):
        raise AnswerInvalid(f"has a line of progress that {wrong}")
    return cast(Progress, figures)


GRACE_S = 5.0  # from SIGTERM to SIGKILL
LOWEST_DESCRIPTOR = 200  # of an answer: what guesses at descriptors, or closes all low ones, does not meet it
PIPE_BYTES = 1 << 16  # that a pipe holds unless it is told otherwise
PIPE_READS = 64  # of 64 KiB: more than a pipe holds, so that a writer nobody can end does not keep us reading


def cell_request(cell: Cell, data: Prepared, inputs: Path) -> CellRequest:
    """Return what every request about a cell says; `inputs` is as prepare_inputs left it.

    The worker sees one card at most, which is `gpu`.
    """
    axes = cast(CellAxes, {**dataclasses.asdict(cell), "device": hardware.kind(cell.device)})
    return {
        "adapter": record(cell.framework).adapter,
        "cell": axes,
        "network": declared(RECIPES[cell.recipe]),
        "data": str(data.folder),
        "inputs": str(inputs),
    }


def launch(place: Place, request: Request, timeout_s: float, progress: Report | None = None) -> Outcome:
    """Run one worker to its end. Never raises for what the worker does, nor where the system cannot start it.

    `progress` is called with the figures of each epoch if the request asks for them.
    """
    begin = time.monotonic()
    try:
        with place.memory.watch() as watch:
            process, reader = start(place, request, watch)
            try:
                outcome, answered = _attend(process, reader, request["task"], timeout_s, progress)
            finally:
                stop(process)
                os.close(reader)
            return dataclasses.replace(outcome, answered_s=answered - begin).explained(watch)
    except OSError as error:  # no more processes, descriptors or memory; an interpreter that cannot be executed
        return Outcome("failed", f"the worker could not be started: {error.strerror}", None, "")


def start(place: Place, request: Request, watch: MemoryWatch) -> tuple[subprocess.Popen[bytes], int]:
    """Start a supervisor, which becomes the worker's parent; return it and the descriptor of the worker's answer.

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
            process = _supervisor(place, writer, watch)
        finally:
            os.close(writer)
        undo.callback(stop, process)
        stdin = cast(IO[bytes], process.stdin)
        with contextlib.suppress(OSError):  # writing to a worker that hangs must not block, however large a network is
            fcntl.fcntl(stdin, fcntl.F_SETPIPE_SZ, max(PIPE_BYTES, len(line)))
        with contextlib.suppress(BrokenPipeError):  # it died before it could read; its exit code tells
            stdin.write(line)
            stdin.flush()
        undo.pop_all()
    return process, reader


def _supervisor(place: Place, writer: int, watch: MemoryWatch) -> subprocess.Popen[bytes]:
    """Start the supervisor of a worker that is to answer on the descriptor `writer`."""
    arguments = [str(writer), str(os.getpid()), str(GRACE_S), watch.argument]
    with on_cpus(place.cpus):
        return subprocess.Popen(
            [str(place.interpreter), "-m", environments.PROGRAM, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(place.variables),
            cwd=place.folder,
            pass_fds=(writer,),
            start_new_session=True,
        )


@contextlib.contextmanager
def on_cpus(cpus: Sequence[int]) -> Iterator[None]:
    """Start children on these CPUs: they inherit this thread's mask before their exec."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _attend(
    process: subprocess.Popen[bytes], reader: int, task: str, timeout_s: float, progress: Report | None
) -> tuple[Outcome, float]:
    """End its input, then sleep until the worker has closed its channels or its time is over.

    Return the outcome, and when the last of its answer came, on the monotonic clock.
    """
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with contextlib.suppress(BrokenPipeError):  # what it did not read is still in the buffer
        stdin.close()
    answered = time.monotonic()
    deadline = answered + timeout_s
    answer, printed = bytearray(), bytearray()
    channels = {reader: answer, stdout.fileno(): printed}
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
                    return Outcome("timeout", f"not finished after {timeout_s:g} s", None, decoded(printed)), answered
                running = exited not in {key.fd for key, _ in ready}
                before = len(answer)
                for descriptor in channels.keys() & {key.fd for key, _ in ready} if running else channels:
                    if not receive(descriptor, channels[descriptor], drain=not running):
                        selector.unregister(descriptor)
                answered = time.monotonic() if len(answer) > before else answered
                if lines:
                    lines.take(answer)
    except AnswerInvalid as error:
        reason = f"the worker's answer {error}"[:MAX_REASON_CHARACTERS]
        return Outcome("invalid", reason, None, decoded(printed)), answered
    finally:
        os.close(exited)
    return judge(process.wait(), bytes(answer), decoded(printed), task), answered


def receive(descriptor: int, buffer: bytearray, drain: bool) -> bool:
    """Read once, or until nothing is left; keep at most MAX_ANSWER_BYTES; return whether more may come."""
    os.set_blocking(descriptor, False)
    try:
        for _ in range(PIPE_READS if drain else 1):
            if not (data := os.read(descriptor, 65536)):
                return drain  # after its exit nobody waits, and nothing need be unregistered
            buffer += data
            del buffer[: -MAX_ANSWER_BYTES - 1]
    except BlockingIOError:
        pass
    return True


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Terminate a process; kill it after these seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the worker and all its children: ask its supervisor, which takes two graces at most, then kill that."""
    if process.poll() is None:
        end(process, 2 * GRACE_S + 1)
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
