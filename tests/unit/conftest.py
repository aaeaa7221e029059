"""Unit tests compute: one that starts a process, sleeps or connects to anything fails. tests/process is for those."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

OUTSIDE = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen",
    "socket.connect", "time.sleep",  # the last one by the fixture below: this Python audits no sleep
}  # fmt: skip
seen: list[str] | None = None  # of the test that runs; an audit hook stays for as long as the interpreter lives

settings.register_profile("inner", max_examples=25, deadline=None)  # tox -e unit; the whole run draws more


def examples(count: int) -> int:
    """Return how many examples a test draws that draws another number than Hypothesis's own."""
    return min(count, 25) if settings.get_current_profile_name() == "inner" else count


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse what leaves this process while a unit test runs, however it is called."""
    if event in OUTSIDE and seen is not None and arguments != (0,):
        seen.append(f"{event}{arguments}"[:200])
        raise AssertionError(f"a unit test does not call {seen[-1]}: see tests/process")


sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch) -> Iterator[None]:
    """Fail where a test did so, even if what it tests caught the refusal."""
    global seen  # noqa: PLW0603
    monkeypatch.setattr(time, "sleep", lambda seconds: refuse("time.sleep", (seconds,)))
    seen = []
    yield
    tried, seen = seen, None
    assert not tried, tried
