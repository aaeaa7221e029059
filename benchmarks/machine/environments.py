"""Where each framework's interpreter is, and what a worker in it may see of this process's environment.

tox makes the environments, or --python names an interpreter that has the framework already; nothing is installed from
here.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from adapters.registry import FRAMEWORKS, SystemPackage
from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.machine import hardware, imports
from benchmarks.worker import THREAD_VARIABLES
from benchmarks.worker.libraries import CHOICE

ROOT = imports.ROOT
REPORT = [sys.executable, "-m", "report"]
PROGRAM = "benchmarks.worker.supervisor"  # what a framework's interpreter runs; it becomes the worker

# A worker sees these of our environment and nothing else, so that no setting sneaks into a measurement.
# OPENBLAS_CORETYPE is not among them: each library looks for itself what processor it runs on.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
FIXED = {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "0",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUNBUFFERED": "1",
    **{name: value for framework in FRAMEWORKS.values() for name, value in framework.variables.items()},
}
THREADS = (*THREAD_VARIABLES, *(name for framework in FRAMEWORKS.values() for name in framework.thread_variables))


OVERRIDES: dict[str, Path] = {}  # interpreters by framework, in place of tox's environments
DISTRIBUTIONS = "import importlib.metadata as m; print(sorted({(d.name or '', d.version) for d in m.distributions()}))"


def override_interpreters(pairs: Sequence[str]) -> None:
    """Take interpreters as they are typed, FRAMEWORK=PATH; UsageError for anything else."""
    for pair in pairs:
        framework, _, path = pair.partition("=")
        if framework not in FRAMEWORKS or not path:
            raise UsageError(f"--python {pair!r}: expected FRAMEWORK=PATH, a framework of {', '.join(FRAMEWORKS)}")
        if not os.access(path, os.X_OK) or not Path(path).is_file():
            raise UsageError(f"--python {pair!r}: {path} is not a program that can be run")
        OVERRIDES[framework] = Path(path).absolute()


def name(framework: str, device: str) -> str:
    """Return the tox environment that serves a framework on a device."""
    return f"{framework}-{hardware.kind(device)}"


def interpreter(framework: str, device: str) -> Path:
    """Return the Python of a framework's environment; EnvironmentMissing holds the command that makes it."""
    if framework in OVERRIDES:
        return OVERRIDES[framework]
    environment = name(framework, device)
    python = ROOT / ".tox" / environment / "bin" / "python"
    if not python.exists():
        raise EnvironmentMissing(
            f"{framework} on {device}: no environment .tox/{environment}; make it with: "
            f"tox run --notest -e {environment}"
        )
    return python


def common_threads(frameworks: Iterable[str], most: int | None = None) -> int:
    """Return the largest number of threads that all these frameworks can compute with, of `most` or this process's."""
    bounds = [FRAMEWORKS[name].max_threads for name in frameworks if name in FRAMEWORKS]
    return min([most or hardware.most_threads(), *(bound for bound in bounds if bound is not None)])


def missing_packages(framework: str) -> str:
    """Return which system packages a framework needs that are not here, and what to type; empty where it has all."""
    missing = [package for package in _system_packages(framework) if shutil.which(package.program) is None]
    names = " ".join(package.name for package in missing)
    return f"{framework} needs {names}; type: apt-get install {names}" if missing else ""


def _system_packages(framework: str) -> tuple[SystemPackage, ...]:
    """Return what a framework needs of the system."""
    return FRAMEWORKS[framework].system_packages if framework in FRAMEWORKS else ()


@functools.cache
def system_versions(framework: str) -> dict[str, str]:
    """Return by name what the system packages of a framework say as their version; `unknown` where they say none."""
    return {package.name: _said_version(package.program) for package in _system_packages(framework)}


def _said_version(program: str) -> str:
    """Return the first line of `PROGRAM --version`."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)
        return next(iter(done.stdout.strip().splitlines()), "unknown")[:200]
    return "unknown"


def recreate_hint(framework: str, device: str) -> str:
    """Return the advice that replaces an environment which does not work."""
    if framework in OVERRIDES:
        return f"give another interpreter with --python {framework}=PATH"
    return f"make it again with: tox run --recreate --notest -e {name(framework, device)}"


def _lock_file(framework: str, device: str) -> Path:
    """Return the file with the pinned requirements of a framework's environment."""
    return ROOT / "requirements" / f"{name(framework, device)}.txt"


def pinned(framework: str, device: str) -> dict[str, str]:
    """Return the version of each distribution that a framework's environment must have; empty without a lock."""
    if framework in OVERRIDES:
        return {}
    try:
        lines = _lock_file(framework, device).read_text()
    except FileNotFoundError:
        return {}
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==([^\s;\\]+)", lines, re.MULTILINE))


def variables(threads: int, device: str = "cpu") -> dict[str, str]:
    """Return the whole environment of a worker that may use `threads` threads and one device."""
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    return inherited | FIXED | hardware.variables(device) | dict.fromkeys(THREADS, str(threads))


def caches(folder: Path) -> dict[str, str]:
    """Return the variables of a worker by which what its framework compiles is kept in this folder and nowhere else.

    TorchInductor and MLX keep it below TMPDIR, tinygrad below XDG_CACHE_HOME, Triton in a folder of its own; XLA
    keeps nothing unless told to. NVIDIA's driver keeps what it compiles for cards that a package has no machine code
    for: that takes minutes, belongs to the installation, and stays where it is.
    """
    return {"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder), "TRITON_CACHE_DIR": str(folder / "triton")}


def withheld() -> list[str]:
    """Return the names of variables that are set here and choose numeric libraries' kernels: no worker sees them."""
    return sorted(name for name in os.environ if CHOICE.fullmatch(name) and name not in INHERITED)


@functools.cache
def lock_hash(framework: str, device: str) -> str:
    """Return a hash of a framework's pinned requirements, or of the packages that an interpreter of --python has.

    The versions of its system packages count, too. UsageError where the file of requirements is missing.
    """
    system = json.dumps(found).encode() if (found := system_versions(framework)) else b""
    if framework in OVERRIDES:
        return hashlib.sha256(_distributions(OVERRIDES[framework]) + system).hexdigest()[:16]
    try:
        path = _lock_file(framework, device)
        return hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes() + b"\0" + system).hexdigest()[:16]
    except FileNotFoundError as error:
        missing = f"requirements/{name(framework, device)}.txt"
        raise UsageError(
            f"{missing} is missing; restore it (git checkout {missing}) or make it: tox -e lock"
        ) from error


@functools.cache
def _distributions(python: Path) -> bytes:
    """Return names and versions of all packages that an interpreter has; UsageError where it cannot say."""
    try:
        return subprocess.run([python, "-c", DISTRIBUTIONS], capture_output=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"--python: {python} does not say what packages it has; is it Python?") from error


def run_report(*arguments: str, timeout_s: float | None = None) -> tuple[str, str]:
    """Run `python -m report`, a program of its own; return what it prints, and in a line why it failed, else empty."""
    command = [*REPORT, *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    why = next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
    return done.stdout, why if done.returncode else ""


def code_hash() -> str:
    """Return a hash of all that a worker loads, as it is when a sweep begins: what it computes and how it is timed."""
    return imports.code_hash(PROGRAM)
