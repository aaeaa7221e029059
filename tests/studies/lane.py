"""Everything a machine with a GPU is asked for in one go, within minutes, its rows and tables left in one folder.

    python -m tests.studies.lane OUT --device gpu --python torch=PATH --python jax=PATH --data-dir DIR

What is asked, the most wanted first, so that a slow machine loses what is wanted least: the devices; gate, peak and
sweep of lenet in float32, plain loops beside the adapters, and which floors hold; then more batch sizes, the narrower
types, the page, the tests that need a card. Each part has its own share of the time and what the parts before it left
of theirs; what takes longer is ended, and said so in OUT/parts.json: all of them together never take longer than
--seconds. `--small` does the same with next to no work: so it runs on a processor in tests, and only the card is new
to it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.contract import DTYPES

ROOT = Path(__file__).resolve().parents[2]
Part = tuple[str, float, list[str]]  # name, share of the time in hundredths, command line
FIRST, NARROW = ("float64", "float32"), ("tf32", "bfloat16")  # gated first; measured beside float32
ENDING = 0.1  # of a part's time is for ending it


def parts(options: argparse.Namespace) -> Iterator[Part]:
    """Yield what is to be run, in order; the shares of all of them are 100 at most."""
    small, given = options.small, [f"--python={pair}" for pair in options.python]
    pythons = dict(pair.split("=", 1) for pair in options.python)
    axes = [*given, "--device", options.device, "--framework", ",".join(pythons) or "numpy"]
    data = ["--data-dir", options.data_dir, "--dataset", "mnist"] if options.data_dir else []
    bench, report = ([sys.executable, "-m", name] for name in ("benchmarks", "report"))
    rows = str(options.out / "rows")
    model, modes = "linear" if small else "lenet", ["--mode", "eager,compiled,fused"]
    gate = [*bench, "lockstep", *axes, *modes, *data, "--steps", "20" if small else "200", "--json", "--model", model]
    peak = [*bench, "peak", *axes, *(["--sizes", "64"] if small else []), "--json"]  # rows take the default's alone
    run = [*bench, "run", *axes, *data, "--seeds", "0", "--no-peak", "--results", rows]

    def sweep(share: float, rounds: int, *cells: str) -> list[str]:
        cap = ["--time-cap", f"{0.6 * share * options.seconds / 100:.1f}"]  # a round that has begun goes on to its end
        return [*run, "--rounds", str(1 if small else rounds), *cap, *cells]

    yield "list", 5, [*bench, "list", "--json", *given]
    yield "lockstep", 18, [*gate, "--dtype", ",".join(FIRST)]
    yield "peak", 6, [*peak, "--dtype", "float32"]
    floors = "8" if small else "100,8192"
    yield "sweep", 24, sweep(24, 3, *modes, "--model", model, "--batch-size", floors)
    beside = [name for name in pythons if small or name in ("torch", "jax")]  # those with plain loops for a card
    kept = []
    for name in beside:
        yield f"ratios of {name}", 12 / len(beside), ratios(name, pythons[name], options)
        kept.append(str(options.out / f"ratios-of-{name}.out"))
    yield "floors", 1, [sys.executable, "-m", "tests.studies.floors", rows, *kept]
    models, sizes = (model, "32") if small else ("mlp,lenet", "100,512,2048,16384")
    more = ["--mode", "eager,fused", "--model", models, "--batch-size", sizes]
    yield "sweep of sizes", 12, sweep(12, 1, *more)
    yield "peak of narrow types", 4, [*peak, "--dtype", ",".join(NARROW)]
    few = ["--mode", "eager" if small else "fused", "--model", model, "--batch-size", floors]
    yield "sweep of narrow types", 8, sweep(8, 1, *few, "--dtype", ",".join(NARROW))
    yield "lockstep of narrow types", 4, [*gate, "--dtype", ",".join(name for name in DTYPES if name not in FIRST)]
    yield "page", 3, [*report, "page", "--results", rows, "--out", str(options.out / "report.html")]
    if "torch" in pythons:  # the others have no tests that need a card
        yield "tests of torch", 3, [pythons["torch"], "-m", "pytest", "-m", "gpu", "tests/frameworks/torch", "-q"]


def ratios(name: str, python: str, options: argparse.Namespace) -> list[str]:
    """Return the command line that holds a framework's adapter beside plain loops, at batch 100."""
    own = [python, "tests/baselines/ratios.py", name, "--device", options.device, "--json", "--batch-size", "100"]
    own += ["--data", options.data_dir] if options.data_dir else []
    if options.small:
        return [*own, "--modes", "eager", "--models", "mlp", "--pairs", "1"]
    return [*own, "--modes", "fused", "--models", "lenet"]


def run(name: str, seconds: float, line: Sequence[str], out: Path) -> dict[str, object]:
    """Run one part, its output and progress into files of its name; return how it ended."""
    begin = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(out / "cache")}
    file = out / name.replace(" ", "-")
    with file.with_suffix(".out").open("wb") as said, file.with_suffix(".log").open("wb") as progress:
        process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=said, stderr=progress)
        try:
            code: int | None = process.wait((1 - ENDING) * seconds)
        except subprocess.TimeoutExpired:
            code = None
            end(process, ENDING * seconds)
    took = round(time.monotonic() - begin, 1)
    return {"part": name, "exit_code": code, "seconds": took, "allowed": round(seconds, 1)}


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process: asked to, a sweep says what it did not come to; after these seconds it is not asked."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end with it
        process.wait()


def main() -> None:
    """Run all parts and say how each ended; exit code 1 when one was ended early or could not be asked at all.

    1 from a part is none of these: some mode is unsupported, or a gate said no, which its output says.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--python", action="append", default=[], help="FRAMEWORK=PATH, as `run` takes it")
    parser.add_argument("--data-dir")
    parser.add_argument("--seconds", type=float, default=460.0)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    ended, until = [], time.monotonic()
    for name, share, line in parts(options):
        until += share * options.seconds / 100
        ended.append(run(name, max(until - time.monotonic(), 0.0), line, options.out))
        print(ended[-1], flush=True)
        (options.out / "parts.json").write_text(json.dumps(ended, indent=1) + "\n")
    sys.exit(0 if all(part["exit_code"] in (0, 1) for part in ended) else 1)


if __name__ == "__main__":
    main()
