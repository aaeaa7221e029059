"""Where each framework's interpreter is, and what a worker in it may see of this process's environment.

tox makes the environments, those of arms such as jax@0.7.2 too, or --python names an interpreter that has the framework
already; nothing is installed from here. Wherever a framework is named an arm may be.
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
from importlib import metadata
from pathlib import Path

from adapters.registry import FRAMEWORKS, environment_of, framework_of, record
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
    """Take interpreters as they are typed, FRAMEWORK=PATH or jax@old=PATH; UsageError for anything else."""
    given: dict[str, Path] = {}
    for pair in pairs:
        arm, _, path = pair.partition("=")
        if framework_of(arm) not in FRAMEWORKS or arm.endswith("@") or not path:
            raise UsageError(
                f"--python {pair!r}: expected FRAMEWORK=PATH or FRAMEWORK@LABEL=PATH, a framework of"
                f" {', '.join(FRAMEWORKS)}"
            )
        if not os.access(path, os.X_OK) or not Path(path).is_file():
            raise UsageError(f"--python {pair!r}: {path} is not a program that can be run")
        if arm in given:
            raise UsageError(
                f"--python names {arm} twice, {given[arm]} and {path}; call one of them otherwise, {arm}@other={path}"
            )
        given[arm] = Path(path).absolute()
    OVERRIDES.update(given)


def name(arm: str, device: str) -> str:
    """Return the name of the environment that serves a framework or an arm on a device, and of its lock."""
    return f"{environment_of(arm)}-{hardware.kind(device)}"


def make_hint(arm: str, device: str) -> str:
    """Return the command that makes an environment."""
    if "@" not in name(arm, device):
        return f"tox run --notest -e {name(arm, device)}"
    return f"tox -e arms -- {arm}" + (" --device gpu" if hardware.kind(device) == "gpu" else "")


def interpreter(framework: str, device: str) -> Path:
    """Return the Python of a framework's environment; EnvironmentMissing holds the command that makes it."""
    if framework in OVERRIDES:
        return OVERRIDES[framework]
    folder = _folder(framework, device)
    python = folder / "bin" / "python"
    if not python.exists():
        raise EnvironmentMissing(
            f"{framework} on {device}: no environment {folder.relative_to(ROOT)}; make it with: "
            f"{make_hint(framework, device)}"
        )
    if _is_arm(framework) and not (lock := _lock_file(framework, device)).exists():
        raise EnvironmentMissing(
            f"{framework} on {device}: no {lock.relative_to(ROOT)}; restore it (git checkout) or make it with: "
            f"{make_hint(framework, device)}"
        )
    return python


def _is_arm(framework: str) -> bool:
    """Return whether what is named has an environment of its own beside its framework's."""
    return "@" in environment_of(framework)


def _folder(arm: str, device: str) -> Path:
    """Return where the environment of a framework or an arm is, or would be."""
    return ROOT / ".tox" / ("releases" * _is_arm(arm)) / name(arm, device)


def common_threads(frameworks: Iterable[str], most: int | None = None) -> int:
    """Return the largest number of threads that all these frameworks can compute with, of `most` or this process's."""
    bounds = [record(name).max_threads for name in frameworks]
    return min([most or hardware.most_threads(), *(bound for bound in bounds if bound is not None)])


def missing_packages(framework: str) -> str:
    """Return which system packages a framework needs that are not here, and what to type; empty where it has all."""
    missing = [package for package in record(framework).system_packages if shutil.which(package.program) is None]
    names = " ".join(package.name for package in missing)
    return f"{framework} needs {names}; type: apt-get install {names}" if missing else ""


@functools.cache
def system_versions(framework: str) -> dict[str, str]:
    """Return by name what the system packages of a framework say as their version; `unknown` where they say none."""
    return {package.name: _said_version(package.program) for package in record(framework).system_packages}


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
    return f"make it again with: {make_hint(framework, device).replace('tox run', 'tox run --recreate')}"


def _lock_file(framework: str, device: str) -> Path:
    """Return the file with the pinned requirements of a framework's environment."""
    return ROOT / "requirements" / ("arms" * _is_arm(framework)) / f"{name(framework, device)}.txt"


def pinned(framework: str, device: str) -> dict[str, str]:
    """Return the version of each distribution that a framework's environment must have; empty without a lock."""
    if framework in OVERRIDES:
        return {}
    try:
        lines = _lock_file(framework, device).read_text()
    except FileNotFoundError:
        return {}
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==([^\s;\\]+)", lines, re.MULTILINE))


def packages(framework: str, device: str) -> dict[str, str]:
    """Return the version of each package in a framework's environment, by its normal name (PEP 503)."""
    folder = interpreter(framework, device).parents[1]
    found = metadata.distributions(path=[str(path) for path in sorted(folder.glob("lib/python3.*/site-packages"))])
    return {re.sub(r"[-_.]+", "-", package.name).lower(): package.version for package in found}


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

    The versions of its system packages count, too. UsageError where the file of requirements is missing, unless it is
    that of an arm, which is then not measured.
    """
    system = json.dumps(found).encode() if (found := system_versions(framework)) else b""
    if framework in OVERRIDES:
        return hashlib.sha256(_distributions(OVERRIDES[framework]) + system).hexdigest()[:16]
    path = _lock_file(framework, device)
    try:
        return hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes() + b"\0" + system).hexdigest()[:16]
    except FileNotFoundError as error:
        if _is_arm(framework):
            return hashlib.sha256(path.name.encode()).hexdigest()[:16]
        missing = path.relative_to(ROOT)
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
