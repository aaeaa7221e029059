"""A disk that is full, or read-only: one line, exit 74, and what was written before is intact."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys

import pytest

from tests.kept import read_file
from tests.process.faults.processes import until

LONG = ("--framework", "instant-0,instant-1", "--rounds", "12")
LAUNCHES = 24


@pytest.fixture
def in_mounts(cache, tmp_path):
    """Run a shell script in a mount namespace of its own; skipped where nobody lets us make one."""

    def run(script: str) -> subprocess.CompletedProcess[str]:
        private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        try:
            subprocess.run([*private, "mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"this machine lets us mount nothing, not even in a namespace of our own: {error}")
        harness = f"{sys.executable} -m tests.process.faults.harness run --model linear --seeds 0 --no-peak"
        variables = {
            **cache,
            "RUN": harness,
            "RESULTS": str(tmp_path / "results"),
            "REPORT": f"{sys.executable} -m report",
        }
        line = [*private, "sh", "-c", script]
        return subprocess.run(line, env=variables, capture_output=True, text=True, check=False, timeout=120)

    return run


FULL = """
mkdir -p "$RESULTS" && mount -t tmpfs -o size=20m none "$RESULTS" || exit 9
$RUN --results "$RESULTS" --framework instant-0,instant-1 --rounds 200 &
until grep -qs '"kind": "row"' "$RESULTS"/*.jsonl; do sleep 0.05; done
cat /dev/zero > "$RESULTS/filler" 2>/dev/null
wait $!; echo "exit $?"
rm "$RESULTS/filler"
$REPORT rows --format jsonl --results "$RESULTS" | wc -l
"""


@pytest.mark.fault(11)
def test_a_full_disk_stops_the_sweep_with_one_line(in_mounts):
    """A tmpfs of 20 MB that something else fills while the sweep runs."""
    done = in_mounts(FULL)
    assert "exit 74" in done.stdout, done.stdout + done.stderr
    assert done.stderr.count("No space left on device") == 1
    assert "earlier rows are intact" in done.stderr
    count = done.stdout.strip().splitlines()[-1]
    assert int(count) >= 1
    assert f"400 launches requested, {count} reported: {count} ok" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.fault(11)
def test_a_file_that_may_grow_no_more_stops_it_too_and_resume_goes_on(start, sweep, rows, tmp_path):
    """A limit of the file's size, which works for every user: the line that crosses it is torn."""
    process = start(*LONG)
    results = tmp_path / "results"
    until(lambda: sum(p.read_bytes().count(b'"kind": "row"') for p in results.glob("*.jsonl")) > 2, "rows")
    [path] = results.glob("*.jsonl")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 5000, resource.RLIM_INFINITY))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 74, said
    assert said.count("File too large") == 1
    assert "Traceback" not in said
    before = path.read_bytes()
    assert not before.endswith(b"\n")
    there = read_file(path)
    assert not there.problems
    assert f"{LAUNCHES} launches requested, {len(there.rows)} reported: {len(there.rows)} ok" in said
    code, said, found = sweep(*LONG, "--resume")
    assert code == 0, said
    assert len({(row["cell"], row["round"]) for row in found}) == len(found) == LAUNCHES
    assert path.read_bytes() == before


@pytest.mark.fault(11)
def test_a_read_only_folder_is_named_before_anything_is_asked(in_mounts, start, tmp_path):
    """Bound read-only for root, who may write where the mode forbids it; by its mode for everyone else."""
    results = tmp_path / "results"
    results.mkdir()
    if os.geteuid() == 0:
        mounted = 'mount --bind "$RESULTS" "$RESULTS" && mount -o remount,ro,bind "$RESULTS" || exit 9\n'
        done = in_mounts(mounted + '$RUN --results "$RESULTS" --framework instant-0')
        code, said = done.returncode, done.stderr
    else:
        results.chmod(0o555)
        process = start("--framework", "instant-0")
        _, said = process.communicate(timeout=60)
        code = process.returncode
        with contextlib.suppress(OSError):
            results.chmod(0o755)
    assert code == 74, said
    assert len(said.strip().splitlines()) == 1
    assert f"cannot write to the results folder {results}" in said
    assert not list(results.iterdir())


@pytest.mark.fault(11)
def test_a_disk_that_is_nearly_full_is_no_place_to_begin(in_mounts, tmp_path):
    mounted = 'mkdir -p "$RESULTS" && mount -t tmpfs -o size=1m none "$RESULTS" || exit 9\n'
    done = in_mounts(mounted + '$RUN --results "$RESULTS" --framework instant-0')
    assert done.returncode == 74, done.stderr
    assert "has 1.0 MiB left, a sweep needs 16" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
