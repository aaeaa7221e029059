"""One measurement at a time on a machine, of all users and checkouts: two at once would measure each other.

The lock is that of a file (files.py). The kernel says which process holds it; only what that process does is its own
word. Containers wait for each other where they share the file's folder.
"""

from __future__ import annotations

import datetime
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.errors import Busy, StorageError, plain
from benchmarks.files import locked

# The first that all users may write, which not every distribution's /run/lock is.
FOLDERS = (Path("/run/lock"), Path("/tmp"))  # noqa: S108  # its content is never believed


@contextmanager
def machine_lock(what: str, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the one lock of this machine; `what` is shown to others who want it: no names of users or paths.

    While another process has it, say once which and sleep until it ends; Busy where we must not `wait`. LOCKSTEP_TURN
    names another file to lock, so that tests do not wait for what else the machine measures.
    """

    def held(holder: str, descriptor: int) -> None:
        holder = plain(holder)
        if not wait:
            raise Busy(f"{holder}; type the command without --no-wait to wait for it, or later")
        say(f"{holder}; waiting until it is done (--no-wait would not wait)")
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # sleeps; signals are heard

    path = Path(
        os.environ.get("LOCKSTEP_TURN") or next(filter(_world_writable, FOLDERS), FOLDERS[-1]) / "lockstep-measuring"
    )
    try:
        descriptor = _opened(path)
    except OSError as error:
        raise StorageError(
            f"cannot lock {plain(str(path))}: {error.strerror}; remove it, or set LOCKSTEP_TURN to a file for all users"
        ) from None
    with locked(descriptor, lambda: f"measures on this machine since {_now()}: {what}", held):
        yield


def _world_writable(folder: Path) -> bool:
    return folder.is_dir() and bool(folder.stat().st_mode & 0o002)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(FileNotFoundError):
        return os.open(path, flags)  # no O_CREAT: the kernel refuses it for another user's file (fs.protected_regular)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL)
    except FileExistsError:  # made by another meanwhile
        return os.open(path, flags)
    os.fchmod(descriptor, 0o666)  # whatever the umask: the next user writes its words there
    return descriptor


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
