"""All tests in stages, as `tox -e test` runs them: every part runs though another fails, and the exit code says so.

Of each stage two parts run at a time, in the order that is written here; whichever ends makes room for the next. What
measures real speeds (`sweeps`, `attacks`) stands far apart: two threads that spin in each of them would take each
other's cores. Beside `sweeps` run the engine's tests, which mostly wait. Short parts come last, so that both lanes end
together. A line says when a part begins and how it ends; what it prints is in .tox/parts/NAME.txt, and its end is shown
where it fails. Arguments go to pytest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from adapters.registry import FRAMEWORKS

ENVIRONMENTS = Path(__file__).resolve().parents[1] / ".tox"
LANES = 2
# Beside another lane threads that wait for each other take many times as long as one: NumPy has one in a test's own
# process, and those of adapters' tests do not spin. What a sweep's workers get is the harness's to say.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}
TAIL_LINES = 300  # of a part that fails: its tracebacks and the summary
COUNTED = re.compile(r"(\d+) (passed|failed|skipped|deselected|errors?)\b")


class Part(NamedTuple):
    """A command in an environment of tox."""

    name: str
    environment: str
    command: tuple[str, ...]


class Outcome(NamedTuple):
    """How a part ended."""

    name: str
    exit_code: int
    seconds: float
    counts: Counter[str]


def tested(name: str, environment: str, *arguments: str) -> Part:
    """Return a part of pytest's."""
    return Part(name, environment, ("python", "-m", "pytest", *arguments, "--durations=20"))


STAGES: tuple[tuple[Part, ...], ...] = (
    (
        tested("unit", "test", "tests/unit", "-m", "not soak", "-n", "2", "--dist", "worksteal"),
        Part("mypy", "lint", ("mypy",)),
        Part("ruff", "lint", ("ruff", "check", ".")),
        Part("format", "lint", ("ruff", "format", "--check", ".")),
    ),
    (
        tested("sweeps", "test", "tests/sweeps", "-m", "not soak"),
        tested("engine", "engine", "tests/engine", "-m", "not soak"),
        tested("process", "test", "tests/process", "-m", "not soak"),
        *(
            tested(name, f"{name}-cpu", "tests/frameworks", "--framework", name, "-m", "not soak")
            for name in FRAMEWORKS
        ),
        *(tested(name, "test", f"tests/{name}", "-m", "not soak") for name in ("browser", "attacks", "fuzz")),
    ),
)


def run(part: Part, arguments: list[str]) -> Outcome:
    """Run a part to its end; print a line before and after it, and the end of its output where it fails."""
    program, *rest = part.command
    line = [str(ENVIRONMENTS / part.environment / "bin" / program), *rest]
    line += arguments if "pytest" in part.command else []
    output = ENVIRONMENTS / "parts" / f"{part.name}.txt"
    output.parent.mkdir(exist_ok=True)
    print(f"######## {part.name} begins", flush=True)
    begin = time.monotonic()
    with output.open("wb") as file:
        variables = os.environ | (WAITING if part.name in FRAMEWORKS else ONE_THREAD)
        done = subprocess.run(line, env=variables, stdout=file, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - begin
    lines = output.read_text(errors="replace").rstrip().splitlines() or [""]
    tail = ["", *lines[-TAIL_LINES:-1]] if done.returncode else []
    ended = f"######## {part.name} {'failed' if done.returncode else 'passed'} in {seconds:.1f} s: {lines[-1]}"
    print("\n".join([*tail, ended]), flush=True)
    last = lines[-1] if "pytest" in part.command else ""
    counts = Counter({kind.rstrip("s"): int(count) for count, kind in COUNTED.findall(last)})
    return Outcome(part.name, done.returncode, seconds, counts)


def main(arguments: list[str]) -> int:
    """Run all stages; return 1 if a part failed."""
    begin = time.monotonic()
    outcomes: list[Outcome] = []
    for stage in STAGES:
        with ThreadPoolExecutor(LANES) as lanes:
            outcomes += lanes.map(run, stage, [arguments] * len(stage))
    print("\n######## parts")
    for outcome in outcomes:
        print(f"{outcome.name:12} {'failed' if outcome.exit_code else 'passed'} {outcome.seconds:8.1f} s")
    total = sum((outcome.counts for outcome in outcomes), Counter[str]())
    said = ", ".join(f"{count} {kind}" for kind, count in total.items())
    print(f"==== {said} in {time.monotonic() - begin:.2f}s ====")
    return int(any(outcome.exit_code for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
