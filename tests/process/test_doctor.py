"""What `check --machine` finds on this machine: it sleeps between two looks at the load."""

from __future__ import annotations

from benchmarks.checks import doctor


def test_this_machine_is_looked_at():
    assert [finding.what for finding in doctor.machine_findings()] == ["threads", "governor", "CPU quota", "load now"]
