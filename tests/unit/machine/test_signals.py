"""When a signal is let through, and what it becomes."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from benchmarks.machine import noise, signals
from benchmarks.machine.signals import Interrupted


@pytest.fixture
def watched():
    """Handlers for this test alone."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    with signals.handled():
        yield
        signals.State.received = False  # nothing of this process is to be killed
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_is_an_exception_with_its_exit_code(watched, number, code):
    with pytest.raises(Interrupted) as caught:
        signal.raise_signal(signal.Signals[number])
    assert (caught.value.signal.name, caught.value.exit_code) == (number, code)


def test_a_block_that_must_not_be_left_in_the_middle_is_not(watched):
    done = []

    @signals.deferred()
    def inner():
        signal.raise_signal(signal.SIGTERM)
        done.append("inner")

    @signals.deferred()
    def outer():
        inner()
        done.append("outer")

    with pytest.raises(Interrupted):
        outer()
    assert done == ["inner", "outer"]


def test_a_signal_between_two_voices_of_the_canary_leaves_none_of_them_waiting(watched, monkeypatch):
    started, barriers = threading.Thread.start, []

    def start(thread):
        started(thread)
        if not signals.State.received:
            signal.raise_signal(signal.SIGTERM)

    def barrier(parties):
        barriers.append(real(parties))
        return barriers[-1]

    real = threading.Barrier
    monkeypatch.setattr(threading, "Barrier", barrier)
    monkeypatch.setattr(threading.Thread, "start", start)
    cpu = min(os.sched_getaffinity(0))
    with pytest.raises(Interrupted):
        noise._run_on([cpu, cpu])
    waiting = barriers[0].n_waiting
    barriers[0].abort()
    assert waiting == 0
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
