"""Make environments to be measured side by side: python requirements/arms.py jax@0.4.38 jax@keras-fit.

Each arm gets .tox/releases/NAME@LABEL-cpu, from a lock with hashes in requirements/arms/ that is made if it is not
there and can be committed: with it, the same environment is made again. It has what the framework's own environment
has, in the newest versions that this release accepts, on Python 3.11, or on the nearest that the release has wheels
for; a wrapper (adapters/registry.py) has the pinned release, and what it needs besides. Where one cannot be made, a
line says why, and the others are made.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from adapters.registry import WRAPPERS, environment_of, framework_of, is_arm

HERE = Path(__file__).parent
ROOT = HERE.parent
LOCKS, ENVIRONMENTS = HERE / "arms", ROOT / ".tox" / "releases"  # tox empties .tox/arms, its own for this
PYTHONS = ("3.11", "3.12", "3.13", "3.10")
# Of the framework itself, where it is pinned at all; extras ([cpu]) and a local part (+cpu) stay.
FIRST_PIN = re.compile(r"^([a-z0-9-]+(?:\[.*?\])?)(?:==[^\s+]+)?", re.MULTILINE)
SAID_PYTHON = re.compile(r"^# .* on Python (\S+)$", re.MULTILINE)
OPTIONS = ["--generate-hashes", "--only-binary=:all:", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate"]
PLATFORM = "--python-platform=x86_64-manylinux_2_28"


def main() -> int:
    """Make every arm that is named; return the exit code."""
    parser = argparse.ArgumentParser(prog="tox -e arms --", description=__doc__.partition("\n")[0])
    parser.add_argument("arms", nargs="+", metavar="NAME@LABEL,...")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--relock", action="store_true", help="resolve anew, though there is a lock")
    options = parser.parse_args()
    return max([make(arm, options.device, options.relock) for arm in ",".join(options.arms).split(",")])


def make(arm: str, device: str, relock: bool) -> int:
    """Make one arm, and say how it went; return 0 or 1."""
    framework = framework_of(arm)
    source, lock = HERE / f"{framework}-{device}.in", LOCKS / f"{arm}-{device}.txt"
    if not is_arm(arm) or not source.exists():
        known = ", ".join(sorted(path.stem.rpartition("-")[0] for path in HERE.glob(f"*-{device}.in")))
        return complain(f"{arm}: expected NAME@VERSION, such as jax@0.7.2, or a wrapper; a name of {known}")
    if arm not in WRAPPERS and not arm.partition("@")[2][0].isdigit():
        return complain(f"{arm}: neither a release nor a wrapper; wrappers are {', '.join(WRAPPERS)}")
    if (owner := environment_of(arm)) != arm:
        return complain(f"{arm}: needs no environment of its own; make its framework's: tox -e {owner}-{device}")
    if (relock or not lock.exists()) and (reason := locked(source, lock, arm)):
        return complain(f"{arm}: cannot be locked: {reason}")
    python = SAID_PYTHON.search(lock.read_text())
    folder = ENVIRONMENTS / f"{arm}-{device}"
    venv = ["venv", "--quiet", "--clear", f"--python={python[1] if python else PYTHONS[0]}", str(folder)]
    install = ["pip", "install", "--quiet", "--require-hashes", f"--python={folder}", f"--requirement={lock}"]
    for command in (venv, install):
        if reason := failed(framework, command):
            return complain(f"{arm}: cannot be made: {reason}")
    print(f"{arm}: {folder.relative_to(ROOT)}, from {lock.relative_to(ROOT)}", flush=True)  # noqa: T201
    return 0


def complain(words: str) -> int:
    """Print why an arm is not there, and return the exit code for it."""
    print(words, file=sys.stderr, flush=True)  # noqa: T201
    return 1


def locked(source: Path, lock: Path, arm: str) -> str:
    """Lock a release or a wrapper on the first Python that has wheels of it; return why not, empty if it is locked."""
    LOCKS.mkdir(exist_ok=True)
    version, wanted = arm.partition("@")[2], source.read_text()
    if arm in WRAPPERS:
        wanted = "\n".join([wanted, *WRAPPERS[arm].packages])
    else:
        wanted = FIRST_PIN.sub(rf"\g<1>=={version}", wanted, count=1)
    draft = lock.with_suffix(".in")
    draft.write_text(wanted)
    reasons = []
    for python in PYTHONS:
        made_by = f"--custom-compile-command=tox -e arms -- {lock.stem.rpartition('-')[0]} on Python {python}"
        compile = ["pip", "compile", "--quiet", str(draft), *OPTIONS, PLATFORM, made_by, f"--python-version={python}"]
        reason = failed(source.stem.partition("-")[0], [*compile, f"--output-file={lock}"])
        if not reason:
            break
        reasons.append(reason)
        lock.unlink(missing_ok=True)
    draft.unlink()
    return "" if len(reasons) < len(PYTHONS) else reasons[0]


def failed(framework: str, arguments: list[str]) -> str:
    """Run uv; return why it failed, in one line, empty if it did not."""
    uv = [sys.executable, str(HERE / "uv_torch_cpu.py")] if framework == "torch" else ["uv"]
    environment = os.environ | {"UV_COMPILE_BYTECODE": "1"}
    done = subprocess.run([*uv, *arguments], stderr=subprocess.PIPE, text=True, env=environment, check=False)
    return "" if done.returncode == 0 else " ".join(done.stderr.split())[-300:]


sys.exit(main())
