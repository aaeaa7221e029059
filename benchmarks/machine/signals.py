"""Ctrl-C, SIGTERM and SIGHUP: the first ends what runs in good order, the second at once; neither leaves a worker.

The first raises Interrupted in the main thread, as Python's own Ctrl-C raises KeyboardInterrupt, so that every
`finally` on the way runs. It is not a KeyboardInterrupt, because click would turn that into a message and an exit code
of its own. A signal that was ignored when we started (nohup, a shell's background) stays ignored.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks us to end; `exit_code` is what a shell reports then: 130, 143, 129, 141."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)
        self.exit_code = 128 + number


class State:
    """What the signal handler knows of the main thread."""

    holds = 0  # blocks that must not be left in the middle
    pending: int | None = None  # the signal that came during them
    received = False


@contextmanager
def handled() -> Iterator[None]:
    """Let the three signals raise Interrupted within this block; for the main thread, once in a process."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, _on_signal)
    try:
        yield
    finally:
        if State.received:
            end_children()  # a signal may come between a worker's start and the `try` that ends it


@contextmanager
def deferred() -> Iterator[None]:
    """Let a first signal wait until this block is done: a row is either appended or not begun."""
    State.holds += 1
    try:
        yield
    finally:
        State.holds -= 1
    if not State.holds and State.pending is not None:
        number, State.pending = State.pending, None
        raise Interrupted(number)


@contextmanager
def interruptible(number: signal.Signals) -> Iterator[None]:
    """Let one more signal raise Interrupted within this block; before and after it is ignored."""
    try:
        signal.signal(number, _on_order)
        yield
    finally:
        signal.signal(number, signal.SIG_IGN)
        if State.pending == number:
            State.pending = None


def _on_order(number: int, frame: FrameType | None) -> None:
    """Take the signal of a block: it ends the block alone, and does not count as the first of two."""
    if State.holds:
        State.pending = State.pending or number
    else:
        raise Interrupted(number)


def _on_signal(number: int, frame: FrameType | None) -> None:
    """Take a signal: raise, or keep it for the end of a block; a second one ends everything now."""
    if State.received:
        end_children()
        os._exit(128 + number)
    State.received = True
    if State.holds:
        State.pending = number
    else:
        raise Interrupted(number)


def end_children() -> None:
    """Kill every process that descends from this one."""
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
