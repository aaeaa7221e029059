"""What tests of several folders share; also loaded in the frameworks' environments."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

GIVEN = os.environ.get("LOCKSTEP_DATA")  # read before any test changes it
TURNS = tempfile.TemporaryDirectory(prefix="lockstep-tests-")  # removed when the process ends
os.environ["LOCKSTEP_TURN"] = f"{TURNS.name}/turn"  # waits for no other measurement of this machine


@pytest.fixture(scope="session", autouse=True)
def signals_heard() -> Iterator[None]:
    """Hear Ctrl-C and a hang-up, also where tests run in the background (a shell, nohup) and were told to ignore both.

    What is ignored stays so in every child, and the product keeps it so; a handler does not outlive exec.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    ignored = [number for number, handler in before.items() if handler == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else lambda *_: None)
    yield
    for number in ignored:
        signal.signal(number, before[number])


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder with the four real files; where CI is set their absence is a failure, never a skip."""
    if GIVEN:
        return Path(GIVEN)
    if os.environ.get("CI"):
        pytest.fail("LOCKSTEP_DATA is not set: CI must have the four MNIST files")
    pytest.skip("LOCKSTEP_DATA does not name a folder with the four MNIST files")
