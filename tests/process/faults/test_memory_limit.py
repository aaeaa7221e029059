"""Memory that is not there: `oom` only with evidence, and larger batches are not tried."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.launch import process
from benchmarks.machine import memory
from benchmarks.machine.memory import MemoryLimit
from tests.process.faults.conftest import ACCURACY, ROOT
from tests.process.faults.harness import this_python

WHERE = memory._where_children_may_be()
PROBE = {"task": "probe", "adapter": "tests.process.faults.fake:DevoursProbe", "device": "cpu", "networks": []}
FAKES = "fake-devours,fake-nomemory"


def run_python(program: str) -> str:
    """Return what a program of one string prints, run from the root of the checkout."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.fault(3)
@pytest.mark.fault(4)
def test_the_kernel_s_kill_is_oom_and_larger_batches_are_skipped(sweep, tmp_path):
    """Where this user can make no control group the limit is RLIMIT_DATA, and an allocation fails in its stead."""
    arguments = ("--batch-size", "100,200", "--seed", "1", "--memory-limit", "200M")
    code, said, rows = sweep(*ACCURACY, "--framework", FAKES, *arguments)
    assert code == 1, said
    assert len(rows) == 4
    found = {(row["framework"], row["batch_size"]): (row["status"], row["reason"]) for row in rows}
    status, reason = found["fake-devours", 100]
    evidence = "the kernel killed for memory (oom_kill of the control group" if WHERE else "MemoryError"
    assert (status, evidence in reason) == ("oom", True), reason
    assert found["fake-nomemory", 100][0] == "oom"
    for name in ("devours", "nomemory"):
        skipped = ("skipped", "the accuracy launch with batch 100 ran out of memory")
        assert found[f"fake-{name}", 200] == skipped
    [file] = (tmp_path / "results").glob("*.jsonl")
    about = json.loads(file.read_text().splitlines()[0])["memory_limit"]
    assert about == {"bytes": 200 << 20, "means": f"cgroup v{WHERE.version}" if WHERE else "RLIMIT_DATA"}
    if WHERE:
        assert not list(WHERE.folder.glob("lockstep-*"))
    elif not os.environ.get("CI"):
        pytest.skip("no control group can be made by this user: the kernel's kill was not seen, RLIMIT_DATA was")


@pytest.mark.fault(3)
@pytest.mark.skipif(WHERE is None and not os.environ.get("CI"), reason="no control group can be made by this user")
def test_a_kill_in_the_group_that_harness_and_worker_share_counts():
    """As in a container with a limit of its own, and no --memory-limit."""
    group = (WHERE or pytest.fail("CI must let this user make a control group")).child(200 << 20)
    try:
        before = group.oom_kills()
        program = (
            "import os\nfrom pathlib import Path\nfrom benchmarks.launch.process import launch\n"
            "from tests.process.faults.harness import this_python\n"
            f"(Path({str(group.folder)!r}) / 'cgroup.procs').write_text(str(os.getpid()))\n"
            f"ending = launch(this_python(), {PROBE!r}, 60)\n"
            "print(ending.status, ending.reason)"
        )
        said = run_python(program)
        assert said.startswith("oom the kernel killed for memory"), said
        assert f"{before} to {before + 1}" in said
    finally:
        group.remove()


@pytest.mark.fault(3)
def test_sigkill_without_evidence_is_a_crash():
    request = {**PROBE, "adapter": "tests.process.faults.fake:KilledProbe"}
    for limit in (MemoryLimit(), MemoryLimit.for_bytes(200 << 20)):
        ending = process.launch(this_python(memory=limit), request, 60)
        assert (ending.status, ending.reason) == ("crashed", "ended by SIGKILL; it printed nothing")


@pytest.mark.fault(4)
def test_without_a_control_group_an_allocation_fails():
    ending = process.launch(this_python(memory=MemoryLimit(200 << 20)), PROBE, 60)
    assert ending.status == "oom", ending
    assert ending.reason.startswith("MemoryError: Unable to allocate") or "_ArrayMemoryError" in ending.reason
    unlimited = process.launch(this_python(), PROBE, 60)
    assert (unlimited.status, "no limit of memory was met" in unlimited.reason) == ("failed", True), unlimited
