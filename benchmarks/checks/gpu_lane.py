"""Everything that a machine with a GPU is asked in one go, within minutes, each part's output in a file of one folder.

The most wanted comes first, so that a slow machine loses what is wanted least: the devices; gate, peak and sweep of
lenet in float32; then more batch sizes, the narrower types, and the page. Each part has its own share of the time and
what the parts before it left of theirs. A part that takes longer is ended, and OUT/parts.json says so: all of them
together never take longer than `seconds`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.contract import DTYPES
from benchmarks.launch.process import end
from benchmarks.machine.environments import ROOT

SECONDS = 460.0  # the default for all parts
FIRST, NARROW = ("float64", "float32"), ("tf32", "bfloat16")  # gated first; measured beside float32
ENDING = 0.1  # of a part's time is for ending it


@dataclass(frozen=True)
class Part:
    """One command line and its share of the time, in hundredths."""

    name: str
    share: float
    line: Sequence[str]


@dataclass(frozen=True)
class Lane:
    """What is asked: `pythons` are FRAMEWORK=PATH; `small` asks the same with next to no work, for tests."""

    out: Path
    device: str
    pythons: Sequence[str]
    data_dir: Path | None
    seconds: float = SECONDS
    small: bool = False

    @property
    def frameworks(self) -> dict[str, str]:
        """The interpreter of each framework."""
        return dict(pair.split("=", 1) for pair in self.pythons)

    def command(self, name: str, *options: str) -> list[str]:
        """Return a command of the harness for these frameworks on this device."""
        interpreters = [f"--python={pair}" for pair in self.pythons]
        axes = ["--device", self.device, "--framework", ",".join(self.frameworks) or "numpy"]
        return [sys.executable, "-m", "benchmarks", *name.split(), *interpreters, *axes, *options]

    def data(self) -> list[str]:
        """Return the options that name the data set."""
        return ["--data-dir", str(self.data_dir), "--dataset", "mnist"] if self.data_dir else []

    def sweep(self, share: float, rounds: int, *cells: str) -> list[str]:
        """Return a sweep that begins no round after three fifths of its time."""
        cap = ["--time-cap", f"{0.6 * share * self.seconds / 100:.1f}"]  # a round that has begun goes on to its end
        counts = ["--rounds", str(1 if self.small else rounds), "--seeds", "0", "--no-peak", *cap]
        return self.command("run", *self.data(), "--results", str(self.out / "rows"), *counts, *cells)


def parts(lane: Lane) -> Iterator[Part]:
    """Yield the parts in order; their shares are 84 hundredths, so that others may have parts of their own."""
    small = lane.small
    model, modes = "linear" if small else "lenet", ["--mode", "eager,compiled,fused"]
    gate = lane.command("verify", *modes, *lane.data(), "--steps", "20" if small else "200", "--json")
    gate += ["--model", model, "--dtype"]
    peak = lane.command(
        "info peak", *(["--sizes", "64"] if small else []), "--json", "--dtype"
    )  # rows take the default's
    sizes, more = "8" if small else "100,8192", "32" if small else "100,512,2048,16384"
    narrow = ["--mode", "eager" if small else "fused", "--model", model, "--batch-size", sizes]
    rest = [name for name in DTYPES if name not in FIRST]
    interpreters = [f"--python={pair}" for pair in lane.pythons]

    yield Part("list", 5, [sys.executable, "-m", "benchmarks", "info", "list", "--json", *interpreters])
    yield Part("verify", 18, [*gate, ",".join(FIRST)])
    yield Part("peak", 6, [*peak, "float32"])
    yield Part("sweep", 24, lane.sweep(24, 3, *modes, "--model", model, "--batch-size", sizes))
    models = model if small else "mlp,lenet"
    larger = lane.sweep(12, 1, "--mode", "eager,fused", "--model", models, "--batch-size", more)
    yield Part("sweep of sizes", 12, larger)
    yield Part("peak of narrow types", 4, [*peak, ",".join(NARROW)])
    yield Part("sweep of narrow types", 8, lane.sweep(8, 1, *narrow, "--dtype", ",".join(NARROW)))
    yield Part("verify narrow types", 4, [*gate, ",".join(rest)])
    page = ["page", "--results", str(lane.out / "rows"), "--out", str(lane.out / "report.html")]
    yield Part("page", 3, [sys.executable, "-m", "report", *page])


def run(lane: Lane, wanted: Iterable[Part]) -> Iterator[dict[str, object]]:
    """Run the parts one after another and yield how each ended, which OUT/parts.json holds as well.

    `exit_code` is None where a part was ended early; `seconds` is what it took, `allowed` what it might take.
    """
    lane.out.mkdir(parents=True, exist_ok=True)
    ended: list[dict[str, object]] = []
    until = time.monotonic()
    for part in wanted:
        until += part.share * lane.seconds / 100
        ended.append(_run_part(part, max(until - time.monotonic(), 0.0), lane.out))
        (lane.out / "parts.json").write_text(json.dumps(ended, indent=1) + "\n")
        yield ended[-1]


def _run_part(part: Part, seconds: float, out: Path) -> dict[str, object]:
    """Run one part, its output and progress into files of its name; return how it ended."""
    begin = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(out / "cache")}
    file = out / part.name.replace(" ", "-")
    with file.with_suffix(".out").open("wb") as output, file.with_suffix(".log").open("wb") as progress:
        process = subprocess.Popen(part.line, cwd=ROOT, env=environment, stdout=output, stderr=progress)
        try:
            code: int | None = process.wait((1 - ENDING) * seconds)
        except subprocess.TimeoutExpired:
            code = None
            end(process, ENDING * seconds)  # a sweep has time to record what it did not reach
    took = round(time.monotonic() - begin, 1)
    return {"part": part.name, "exit_code": code, "seconds": took, "allowed": round(seconds, 1)}
