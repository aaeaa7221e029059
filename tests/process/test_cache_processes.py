"""Two processes that fill one cache."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.machine.environments import ROOT


def test_two_processes_read_at_once(cache_folder, results):
    program = (
        "import sys; from report import load; from report.results import arrow; arrow.SETTLED_S = -60\n"
        "for _ in range(5): assert len(load(sys.argv[1])) == 3"
    )
    command = [sys.executable, "-c", program, str(results)]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert len(list(cache_folder.iterdir())) == 1
