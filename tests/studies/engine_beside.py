"""What a member's own threads take beside a launch: `python -m tests.studies.engine_beside` in .tox/engine.

Dask's heartbeats and timers, and whatever else wakes a member, while one launch is measured; a launch that only sleeps
(at_once.py) leaves them alone in the process. PYTHONPATH is the checkout's root. Exit code 1 where they take more of a
core than we tolerate beside what is timed.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.studies.crews import crew, end, started
from tests.studies.engine_scale import FRAMEWORKS, MODELS, PROGRAM, folders, sweep

SETTLED_S = 3.0  # after a launch began
TOLERATED = 0.005  # of a core


def threads_of(process: int) -> dict[str, tuple[float, int]]:
    """Return the CPU seconds of each thread, and how often it went to sleep; by number and name (proc(5))."""
    found = {}
    for folder in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):  # it ended meanwhile
            name = f"{folder.name} {(folder / 'comm').read_text().strip()}"
            slept = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (folder / "status").read_text(), re.MULTILINE)
            spent_s = int((folder / "schedstat").read_text().split()[0]) / 1e9
            found[name] = spent_s, int(slept[1]) if slept else 0
    return found


def beside(seconds: float) -> float:
    """Print what a member's threads take while one launch sleeps for so long; return all of it, of a core."""
    asleep = seconds + 2 * SETTLED_S
    with folders() as (disk, memory), crew(memory, 1, FRAMEWORKS[0], [PROGRAM, f"{asleep:g}"]) as there:
        ordered = [PROGRAM, "0", *sweep(there.address, 1, FRAMEWORKS[:1], MODELS[:1], 1)]
        driver = started([*ordered, "--results", str(disk / "results")], disk / "driver.txt")
        try:
            while not any(b'"kind": "proof"' in path.read_bytes() for path in memory.rglob("*.jsonl")):
                if driver.poll() is not None:
                    raise SystemExit(f"the driver ended:\n{(disk / 'driver.txt').read_text()}")
                time.sleep(0.1)
            time.sleep(SETTLED_S)
            before = threads_of(there.members[0].pid)
            time.sleep(seconds)
            after = threads_of(there.members[0].pid)
            if driver.poll() is not None:
                raise SystemExit("the launch ended too early: nothing was beside it")
        finally:
            end(driver)
    print("| thread | CPU of a core | wake-ups a second |\n| --- | ---: | ---: |")
    spent = {
        name: [now - then for now, then in zip(after[name], before.get(name, (0, 0)), strict=True)] for name in after
    }
    spent["all"] = [sum(column) for column in zip(*spent.values(), strict=True)]
    for name, (cpu_s, woken) in spent.items():
        if woken or cpu_s:
            print(f"| {name} | {cpu_s / seconds:.3%} | {woken / seconds:.1f} |")
    return spent["all"][0] / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="for which threads are watched")
    sys.exit(int(beside(parser.parse_args().seconds) > TOLERATED))
