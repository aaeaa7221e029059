"""One measurement at a time on a machine, whoever's and from whichever checkout: two at once would measure each other.

The lock is the name of an abstract unix socket (unix(7)): the kernel gives a name to one process and takes it back when
that ends, however it ends. There is no file to be left over, no folder that a user cannot write, no link to follow.
A waiter is connected to the holder and sleeps until the kernel closes that connection; the holder's pid is the
kernel's word, only what it measures is its own. Containers share the lock where they share a network namespace.
"""

from __future__ import annotations

import datetime
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from benchmarks.console import plain
from benchmarks.errors import Busy

NAME = "lockstep-measuring"  # LOCKSTEP_TURN names another: tests do not wait for what else the machine measures
LONGEST_WORDS_BYTES = 400
ANSWER_S = 2.0  # a holder that is stopped says nothing; its pid is known all the same
RETRY_S = 0.05


@contextmanager
def taken(what: str, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Measure nothing else on this machine meanwhile; `what` is told to who asks: no names of users or paths.

    While another measures, say once who and sleep until it is done; Busy where we must not `wait`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        told = False
        while not bound(lock):
            with suppress(ConnectionError, BlockingIOError), met() as (holder, other):
                if not wait:
                    raise Busy(f"{holder}; type the command without --no-wait to wait for it, or later")
                if not told:
                    say(f"{holder}; waiting until it is done (--no-wait would not wait)")
                told = True
                other.recv(1)  # nothing comes: it returns when the holder has gone
            time.sleep(RETRY_S)  # its name is bound and not listened to yet, or others woke up with us
        with answered(lock, f"since {now()}: {what}"):
            yield


def now() -> str:
    """Return the time of day for people to read."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def address() -> str:
    """Return the socket's abstract name."""
    return "\0" + os.environ.get("LOCKSTEP_TURN", NAME)


def bound(lock: socket.socket) -> bool:
    """Return whether the name is ours now."""
    try:
        lock.bind(address())
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise
    return True


@contextmanager
def met() -> Iterator[tuple[str, socket.socket]]:
    """Yield who holds the lock, in words, and a connection that lasts as long as it does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.settimeout(ANSWER_S)
        other.connect(address())
        pid, _, _ = struct.unpack("3i", other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        words = b""
        with suppress(TimeoutError):
            words = other.recv(LONGEST_WORDS_BYTES)
        other.settimeout(None)
        name = f"process {pid}" if pid else "a process of another container"  # whose pid is none of ours
        said = plain(words.decode(errors="replace").strip()) or "and does not say what"
        yield f"{name} measures on this machine {said}", other


@contextmanager
def answered(lock: socket.socket, words: str) -> Iterator[None]:
    """Tell everyone who asks, from a thread that sleeps in accept(2) until someone does."""
    lock.listen(socket.SOMAXCONN)
    thread = threading.Thread(target=answer, args=(lock, words), daemon=True)
    thread.start()
    try:
        yield
    finally:
        lock.shutdown(socket.SHUT_RDWR)  # wakes accept(2), which would keep the name beyond our close(2)
        thread.join()


def answer(lock: socket.socket, words: str) -> None:
    """Send the words on each connection and keep it open until the lock is given back."""
    waiting = []
    with suppress(OSError):  # shut down
        while True:
            waiting.append(lock.accept()[0])
            with suppress(OSError):  # it did not wait for the words
                waiting[-1].sendall(words.encode()[:LONGEST_WORDS_BYTES])
    for other in waiting:
        other.close()
