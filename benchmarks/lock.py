"""A file's lock with the holder's words in it: flock(2), which the kernel frees however its holder ends.

The file is left over on purpose: to remove it would let two hold it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST_WORDS_BYTES = 400


@contextmanager
def locked(descriptor: int, words: Callable[[], str], held: Callable[[str, int], None]) -> Iterator[None]:
    """Hold the lock of a file that is open to read and write, with its `words` of then for who asks, and close it.

    While another has it, `held` gets who that is, in words that may be anything, and the descriptor, again and again:
    it waits, or raises.
    """
    try:
        while not _got(descriptor):
            held(_holder(descriptor), descriptor)
        with suppress(OSError):  # a full disk: who asks gets the pid alone
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {words()}".encode()[:LONGEST_WORDS_BYTES], 0)
        yield
    finally:
        os.close(descriptor)


def _got(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Return who holds the lock, in words; those in the file are the holder's only if they begin with its pid."""
    inode, pid = os.fstat(descriptor).st_ino, ""
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", found, place, *_] if place.endswith(f":{inode}"):
                pid = found
    content = b""
    with suppress(OSError):  # no regular file: a pipe can be locked, too
        content = os.pread(descriptor, LONGEST_WORDS_BYTES, 0)
    said, _, words = content.decode(errors="replace").partition(" ")
    does = words.strip() if said == pid or not pid else ""
    return f"{f'process {pid}' if pid else 'a process of another container'} {does or 'does not say what it does'}"
