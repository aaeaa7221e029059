"""Everything a machine with a GPU is asked for in one go, within minutes, its rows and tables left in one folder.

    python -m tests.plain.lane OUT --device gpu --python torch=PATH --python jax=PATH --data-dir DIR

What is asked: which devices there are, the tests that need a card, the gate in every dtype and mode, the peak,
the sweep over batch sizes with its page. Each part has its own share of the time; what takes longer is ended, and said
so in OUT/parts.json. `--small` does the same with next to no work: so it runs on a processor in tests, and only the
card is new to it.
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
Part = tuple[str, float, list[str]]  # name, seconds it may take, command line


def parts(options: argparse.Namespace) -> Iterator[Part]:
    """Yield what is to be run, in order."""
    given = [f"--python={pair}" for pair in options.python]
    frameworks = ",".join(pair.partition("=")[0] for pair in options.python) or "numpy"
    axes = [*given, "--device", options.device, "--framework", frameworks]
    data = ["--data-dir", options.data_dir, "--dataset", "mnist"] if options.data_dir else []
    bench, report = ([sys.executable, "-m", name] for name in ("benchmarks", "report"))
    models = "linear" if options.small else "mlp,lenet"
    sizes = "8,32" if options.small else "32,100,512,2048,8192,16384"
    share = options.seconds / 100
    yield "list", 5 * share, [*bench, "list", "--json", *given]
    for pair in options.python:
        framework, _, python = pair.partition("=")
        if framework == "torch":  # the others have no tests that need a card
            yield f"tests of {framework}", 10 * share, [python, "-m", "pytest", "-m", "gpu", f"tests/{framework}", "-q"]
    modes = ["--mode", "eager,compiled,fused"]
    proof = ["--model", models, "--dtype", ",".join(DTYPES), "--steps", "20" if options.small else "200", "--json"]
    yield "lockstep", 25 * share, [*bench, "lockstep", *axes, *modes, *proof, *data]
    sizes_of_peak = ["--sizes", "64"] if options.small else []  # rows take a peak of the default's alone
    yield "peak", 10 * share, [*bench, "peak", *axes, *sizes_of_peak, "--json"]
    amount = ["--rounds", "1" if options.small else "3", "--seeds", "0", "--time-cap", str(20 * share), "--no-peak"]
    rows = ["--results", str(options.out / "rows")]
    yield (
        "sweep",
        34 * share,
        [*bench, "run", *axes, *modes, "--model", models, "--batch-size", sizes, *amount, *rows, *data],
    )
    page = ["--out", str(options.out / "report.html")]
    yield "page", 3 * share, [*report, "page", *rows, *page]
    ratios = []
    for pair in options.python:
        framework, _, python = pair.partition("=")
        if framework in ("torch", "jax") and not options.small:
            own = [python, "tests/plain/ratios.py", framework, "--device", options.device, "--json", "--modes", "fused"]
            yield f"ratios of {framework}", 6 * share, [*own, "--models", "lenet", "--batch-size", "100"]
            ratios.append(str(options.out / f"ratios-of-{framework}.out"))
    yield "floors", share, [sys.executable, "-m", "tests.plain.floors", rows[1], *ratios]


def run(name: str, seconds: float, line: Sequence[str], out: Path) -> dict[str, object]:
    """Run one part, its output and progress into files of its name; return how it ended."""
    begin = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(out / "cache")}
    file = out / name.replace(" ", "-")
    with file.with_suffix(".out").open("wb") as said, file.with_suffix(".log").open("wb") as progress:
        process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=said, stderr=progress)
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # a sweep then says what it did not come to
            process.wait(30)
            code = None
    return {
        "part": name,
        "exit_code": code,
        "seconds": round(time.monotonic() - begin, 1),
        "allowed": round(seconds, 1),
    }


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
    ended = []
    for part in parts(options):
        ended.append(run(*part, options.out))
        print(ended[-1], flush=True)
        (options.out / "parts.json").write_text(json.dumps(ended, indent=1) + "\n")
    sys.exit(0 if all(part["exit_code"] in (0, 1) for part in ended) else 1)


if __name__ == "__main__":
    main()
