"""A results file of one endless line, read by a process whose memory is bounded."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from benchmarks.record import store

READ = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from benchmarks.record import store
    from report.results import arrow
    from tests.kept import read_file
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 96 * 2**20,) * 2)
    path = Path(sys.argv[1])
    sweep = read_file(path)
    print(len(sweep.rows), *sweep.problems)
    sweep = store.SweepFile(path)
    with path.open("rb") as file:
        print(sum(len(table) for table in arrow.blocks(file, sweep)), *sweep.problems)
""")


@pytest.mark.fault(30)
def test_a_line_of_a_hundred_megabytes_is_one_problem_in_bounded_memory(tmp_path, row):
    path = tmp_path / "a.jsonl"
    store.append(path, "row", row)
    with path.open("r+b") as file:
        file.seek(100 << 20)  # a hole of zeros that takes no disk
        file.write(b"\n")
    store.append(path, "row", row)
    with path.open("r+b") as file:
        file.truncate(200 << 20)  # and one that no newline ends
    command = [sys.executable, "-c", READ, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 a.jsonl, line 2: longer than 1048576 bytes; line ignored\n" * 2
