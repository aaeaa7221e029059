"""The process between the harness and a worker: it starts the worker, waits for it, and ends all that is left of it.

launch/process.py starts it as `python -m benchmarks.worker.supervisor DESCRIPTOR PARENT GRACE_S LIMIT`. It forks
before anything large is loaded, and the child becomes the worker: a fork costs a millisecond, a second interpreter
would cost twenty.

The supervisor is the subreaper (prctl(2)) of all that the worker starts. A daemon that left session and group becomes
its child, so it ends its own children and never somebody else's process; the harness has other children and could not
tell them apart. SIGTERM is the order to end the worker: it comes from the harness or, when the harness dies, from the
kernel (PR_SET_PDEATHSIG follows the *thread* that forked; process.launch stays in that thread until the supervisor has
ended, and a remote.Warm belongs to it). If the supervisor itself is killed, the worker gets SIGKILL; then only a
daemon in a session of its own remains.

The worker enters its limit of memory before it does anything else: a control group of its own where one can be made,
else RLIMIT_DATA. A group limits what is resident, and the kernel counts what it killed, which is evidence. RLIMIT_DATA
(setrlimit(2), since Linux 4.7) makes an allocation fail instead. It counts private writable mappings, touched or not;
RLIMIT_AS would count address space that frameworks reserve and never use, terabytes of it with CUDA.

Needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GROUP, RLIMIT = "group:", "rlimit:"


def _enter(limit: str) -> None:
    """Confine this process: `group:FOLDER` of a control group, `rlimit:BYTES`, or an empty string for no limit."""
    if limit.startswith(GROUP):
        (Path(limit.removeprefix(GROUP)) / "cgroup.procs").write_text(str(os.getpid()))
    elif limit.startswith(RLIMIT):
        size_bytes = int(limit.removeprefix(RLIMIT))
        resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))


PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36  # linux/prctl.h
NOTICED = {signal.SIGCHLD, signal.SIGTERM}
UNKILLABLE_S = 5.0  # what waits for a device does not end by SIGKILL; the sweep goes on without it
WORKER = "benchmarks.worker"


def _prctl(option: int, value: int) -> None:
    """Set one attribute of this process; OSError where the kernel refuses."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


def _die_with(parent: int, signal_number: int) -> None:
    """Ask for a signal when the parent ends; end now if it has ended before this could be asked."""
    _prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(1)


def _become_worker(supervisor: int, descriptor: str, limit: str) -> None:
    """Turn this fork into the worker: a session of its own, its limit of memory, then the program itself."""
    os.setsid()
    _die_with(supervisor, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOTICED)
    _enter(limit)
    sys.argv = [WORKER, descriptor]
    runpy.run_module(WORKER, run_name="__main__", alter_sys=True)


def _supervise(worker: int, parent: int, grace_s: float) -> int:
    """Wait until the worker has ended or is to be ended, end what is left of it; return its wait status."""
    status = _wait(worker)
    if status is None and os.getppid() == parent:  # the order to stop has come: TERM, some seconds, KILL
        _signal_group(worker, signal.SIGTERM)
        status = _wait(worker, grace_s)
    _signal_group(worker, signal.SIGKILL)
    return _end_children(worker, status)


def _wait(worker: int, seconds: float = 1e6) -> int | None:
    """Return the worker's wait status; None when SIGTERM comes or the time is over first."""
    deadline = time.monotonic() + seconds
    while (status := _reap(worker)) is None:
        seen = signal.sigtimedwait(NOTICED, max(0.0, deadline - time.monotonic()))
        if seen is None or seen.si_signo == signal.SIGTERM:
            return None
    return status


def _reap(worker: int) -> int | None:
    """Reap all children that have ended; return the worker's wait status if it is among them.

    ChildProcessError once there are no children.
    """
    while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
        if ended[0] == worker:
            return ended[1]
    return None


def _end_children(worker: int, status: int | None) -> int:
    """Kill every child, and their children as they come to this process; return the worker's wait status."""
    deadline = time.monotonic() + UNKILLABLE_S
    with contextlib.suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            ended = _reap(worker)
            status = ended if status is None else status
            for child in _children():
                with contextlib.suppress(OSError):  # ended meanwhile, or another user's
                    os.kill(child, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    return int(signal.SIGKILL) if status is None else status


def _children() -> Iterator[int]:
    """Yield the ids of this process's children, adopted ones included (proc(5), stat, field 4)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                yield int(folder.name)


def _signal_group(group: int, signal_number: int) -> None:
    """Signal all members of a group, if it has any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal_number)


def _end_as(status: int) -> None:
    """End this process as the worker ended, so that the harness sees its exit code or its signal."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _prctl(PR_SET_DUMPABLE, 0)  # the worker may have left a core, this process need not
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)


def main() -> None:
    """Start one worker and end as it ends."""
    descriptor, parent, grace_s, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    signal.pthread_sigmask(signal.SIG_BLOCK, NOTICED)
    _die_with(parent, signal.SIGTERM)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    supervisor = os.getpid()
    if not (worker := os.fork()):
        _become_worker(supervisor, descriptor, limit)
        return
    os.close(int(descriptor))
    os.close(sys.stdin.fileno())  # else the harness could wait for ever to write to a worker that died
    _end_as(_supervise(worker, parent, grace_s))


if __name__ == "__main__":
    main()
