"""One fresh process: start it, feed it its request, wait without working, end it, say how it ended.

The worker answers on a descriptor of its own, so that whatever a framework prints cannot spoil a result.
The parent blocks in poll(2) meanwhile: one that looks in a loop burns half of a two-core machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from adapters.registry import ADAPTERS
from benchmarks import environments, machine, revisions

MAX_ANSWER_BYTES = 8 << 20
KEPT_OUTPUT_CHARACTERS = 16 << 10
GRACE_S = 5.0


@dataclass(frozen=True)
class Ending:
    """How a launch ended: `answer` is what the worker said, None unless status is ok."""

    status: str
    reason: str
    answer: dict[str, Any] | None
    output: str


def launch_in(
    framework: str, device: str, request: Mapping[str, Any], threads: int, timeout_s: float, revision: str = ""
) -> Ending:
    """Run one worker in a framework's environment, on as many physical cores as it has threads.

    Its adapters are those of a revision's commit, or the checkout's. Raises EnvironmentMissing where there is none.
    """
    python = environments.interpreter(framework, device)
    asked = {**request, "adapter": ADAPTERS[framework]}
    cpus = machine.physical_cpus()[:threads]
    return launch(python, asked, threads, cpus, timeout_s, revisions.folder(revision) if revision else None)


def launch(
    python: Path,
    request: Mapping[str, Any],
    threads: int,
    cpus: Sequence[int],
    timeout_s: float,
    folder: Path | None = None,
) -> Ending:
    """Run one worker to its end. Never raises for what the worker does.

    `folder`, by default the checkout, is where it starts and where Python looks first for adapters/.
    """
    reader, writer = os.pipe()
    try:
        with on_cpus(cpus):
            process = subprocess.Popen(
                [str(python), "-m", "benchmarks.worker", str(writer)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environments.variables(threads),
                cwd=folder or environments.ROOT,
                pass_fds=(writer,),
                start_new_session=True,
            )
    finally:
        os.close(writer)
    try:
        return _attend(process, reader, request, timeout_s)
    finally:
        _end(process)
        os.close(reader)


@contextlib.contextmanager
def on_cpus(cpus: Sequence[int]) -> Iterator[None]:
    """Start children on these CPUs: this thread's mask is theirs from before their exec."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(cpus))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _attend(process: subprocess.Popen[bytes], reader: int, request: Mapping[str, Any], timeout_s: float) -> Ending:
    """Send the request, then sleep until the worker has closed its channels or its time is over."""
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with contextlib.suppress(BrokenPipeError):  # it died before it could read; its exit code tells
        stdin.write(json.dumps(request).encode())
        stdin.close()
    deadline = time.monotonic() + timeout_s
    said, printed = bytearray(), bytearray()
    channels = {reader: said, stdout.fileno(): printed}
    exited = os.pidfd_open(process.pid)  # a child that it left behind may hold its channels open
    try:
        with selectors.DefaultSelector() as selector:
            for descriptor in (*channels, exited):
                selector.register(descriptor, selectors.EVENT_READ)
            running = True
            while running:
                ready = selector.select(deadline - time.monotonic())
                if not ready and time.monotonic() >= deadline:
                    return Ending("timeout", f"not finished after {timeout_s:g} s", None, text(printed))
                running = exited not in {key.fd for key, _ in ready}
                for descriptor in channels.keys() & {key.fd for key, _ in ready} if running else channels:
                    if not _receive(descriptor, channels[descriptor], drain=not running):
                        selector.unregister(descriptor)
    finally:
        os.close(exited)
    return _judge(process.wait(), bytes(said), text(printed))


def _receive(descriptor: int, kept: bytearray, drain: bool) -> bool:
    """Read once, or all that is there; keep no more than MAX_ANSWER_BYTES; return whether more may come."""
    os.set_blocking(descriptor, False)
    try:
        while data := os.read(descriptor, 65536):
            kept += data
            del kept[: -MAX_ANSWER_BYTES - 1]
            if not drain:
                return True
    except BlockingIOError:
        return True
    return drain  # when it has exited nothing is waited for any more, and nothing need be unregistered


def _judge(code: int, answer: bytes, output: str) -> Ending:
    """Turn an exit code and an answer into an ending."""
    last = output.strip().splitlines()[-1:] or ["it printed nothing"]
    if code < 0:
        return Ending("crashed", f"ended by {signal.Signals(-code).name}; {last[0]}", None, output)
    if code > 0:
        return Ending("failed", f"worker exited with {code}: {last[0]}", None, output)
    if len(answer) > MAX_ANSWER_BYTES:
        return Ending("invalid", f"the worker's answer is longer than {MAX_ANSWER_BYTES} bytes", None, output)
    try:
        said = json.loads(answer, parse_constant=_refuse)
        return Ending(said.pop("status"), said.pop("reason"), said, output)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Ending("invalid", f"the worker's answer cannot be read: {error}", None, output)


def text(printed: bytearray) -> str:
    """Return the end of what a worker printed; bytes that are no UTF-8 are replaced."""
    return printed[-KEPT_OUTPUT_CHARACTERS:].decode(errors="replace")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} in the answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the worker's session behind: TERM, a few seconds, KILL."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _signal_group(process.pid, signal_number)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                continue
    _signal_group(process.pid, signal.SIGKILL)  # children it left in its group
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            stream.close()


def _signal_group(group: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing is left of it, which is what was wanted
        os.killpg(group, signal_number)
