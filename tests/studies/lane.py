"""`selftest --device` with what this project alone asks a machine with a GPU: python -m tests.studies.lane OUT.

Beside the command's own parts: plain loops beside the adapters, which floors of ours hold, the tests that need a card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.checks import gpu_lane
from benchmarks.checks.gpu_lane import Lane, Part


def parts(options: Lane) -> Iterator[Part]:
    """Yield what is to be run, in order; the shares of all of them are 100 at most."""
    for part in gpu_lane.parts(options):
        yield part
        if part.name == "sweep":
            yield from own_parts(options)
    if python := options.frameworks.get("torch"):  # the others have no tests that need a card
        yield Part("tests of torch", 3, [python, "-m", "pytest", "-m", "gpu", "tests/frameworks/torch", "-q"])


def own_parts(options: Lane) -> Iterator[Part]:
    """Yield the adapters beside plain loops, and the floors on those ratios and the rows so far."""
    known = [name for name in options.frameworks if options.small or name in ("torch", "jax")]  # loops for a card
    for name in known:
        yield Part(f"ratios of {name}", 12 / len(known), ratios(name, options))
    outputs = [str(options.out / f"ratios-of-{name}.out") for name in known]
    yield Part("floors", 1, [sys.executable, "-m", "tests.studies.floors", str(options.out / "rows"), *outputs])


def ratios(name: str, options: Lane) -> list[str]:
    """Return the command line that holds a framework's adapter beside plain loops, at batch 100."""
    own = [options.frameworks[name], "tests/baselines/ratios.py", name, "--device", options.device, "--json"]
    own += ["--batch-size", "100", *(["--data", str(options.data_dir)] if options.data_dir else [])]
    if options.small:
        return [*own, "--modes", "eager", "--models", "mlp", "--pairs", "1"]
    return [*own, "--modes", "fused", "--models", "lenet"]


def main() -> None:
    """Run all parts and print how each ended; exit code as of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--python", action="append", default=[], help="FRAMEWORK=PATH, as `run` takes it")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seconds", type=float, default=gpu_lane.SECONDS)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    options = Lane(given.out.absolute(), given.device, given.python, given.data_dir, given.seconds, given.small)
    codes = []
    for ended in gpu_lane.run(options, parts(options)):
        print(json.dumps(ended), flush=True)
        codes.append(ended["exit_code"])
    sys.exit(0 if all(code in (0, 1) for code in codes) else 1)


if __name__ == "__main__":
    main()
