"""Deadlines, and what is left when the harness itself is killed."""

from __future__ import annotations

import time

import psutil
import pytest

from benchmarks.launch.process import GRACE_S
from tests.process.faults.conftest import ACCURACY, left, marked
from tests.process.faults.processes import noted


@pytest.mark.fault(6)
def test_a_hang_that_ignores_sigterm_is_a_timeout_in_a_proof_and_in_a_launch(sweep):
    begin = time.monotonic()
    code, said, rows = sweep(*ACCURACY, "--framework", "fake-hang,instant-0", "--timeout", "1", FAKE_GRACE_S="0.3")
    assert code == 1, said
    found = {row["framework"]: row for row in rows}
    assert len(rows) == 2
    assert found["instant-0"]["status"] == "ok"
    assert (found["fake-hang"]["status"], found["fake-hang"]["reason"]) == ("timeout", "not finished after 1 s")
    assert "the gate ended timeout: not finished after 1 s" in said
    assert time.monotonic() - begin < 60


@pytest.mark.soak
@pytest.mark.fault(6)
def test_the_grace_is_five_seconds(sweep):
    """The short form above changes this one number."""
    assert GRACE_S == 5
    _, _, rows = sweep(*ACCURACY, "--framework", "fake-hang", "--timeout", "1")
    assert rows[0]["status"] == "timeout"
    assert 6 <= rows[0]["duration_s"] < 12


@pytest.mark.fault(7)
def test_nothing_is_left_when_the_harness_is_killed(start, temporary):
    process = start(*ACCURACY, "--framework", "fake-daemonhang")
    daemon = int(noted(temporary / "daemons")[0])
    assert len(marked(temporary)) >= 4  # the harness, keeper, worker and its daemon
    assert psutil.pid_exists(daemon)
    process.kill()
    process.communicate()
    assert not left(temporary)
    assert not psutil.pid_exists(daemon)


@pytest.mark.fault(7)
def test_a_worker_ends_with_its_keeper(start, temporary):
    process = start(*ACCURACY, "--framework", "fake-hang")
    worker = psutil.Process(int(noted(temporary / "hanging")[0]))
    assert worker.parent().parent().pid == process.pid
    worker.parent().kill()
    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running()
    process.terminate()
    process.communicate()
