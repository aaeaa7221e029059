"""What tests of several folders share; also loaded in the frameworks' environments."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

GIVEN = os.environ.get("LOCKSTEP_DATA")  # read before any test changes it
TURNS = tempfile.TemporaryDirectory(prefix="lockstep-tests-")  # removed when the process ends
os.environ["LOCKSTEP_TURN"] = f"{TURNS.name}/turn"  # waits for no other measurement of this machine

# Where CI is set, a test that is skipped for any other reason fails: CI has what tests need, or installs it.
SKIPPED = (
    "no GPU",
    "this machine has a GPU",  # what is said without one
    "its adapter says: ",  # of a type; that each has the usual ones is a test
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skip fail where CI is set, unless its reason is one of the above."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(re.search(reason, why) for reason in SKIPPED):
            report.outcome, report.longrepr = "failed", f"CI skips nothing but for reasons in tests/conftest.py: {why}"
    return report


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


@pytest.fixture
def row():
    """A row with every required column and nothing else."""
    from benchmarks.record.schema import SCHEMA_VERSION  # not above: a framework's environment has no psutil

    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": "20260101T000000-abcdef",
        "cell": "0" * 16,
        "started_at": "2026-01-01T00:00:00+00:00",
        "framework": "torch",
        "model": "mlp",
        "recipe": "mlp",
        "dataset": "mnist-5k",
        "device": "cpu",
        "device_name": "A processor",
        "batch_size": 100,
        "mode": "eager",
        "dtype": "float32",
        "input": "preloaded",
        "threads": 2,
        "task": "speed",
        "round": 0,
        "seed": 0,
        "status": "ok",
        "lockstep": "pass",
        "train_flops_per_sample": 454_400,
        "train_all_flops_per_sample": 457_200.0,
    }
