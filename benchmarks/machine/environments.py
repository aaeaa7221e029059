"""Where each framework's interpreter is, and what a worker in it may see of this process's environment.

tox makes the environments, or --python names an interpreter that has the framework already; nothing is installed from
here.

The adapters of another git revision beside the checkout's own, so that one sweep can measure both in turn.

Only adapters/ is taken from there: the harness that proves and times them is the checkout's, the same for both.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
import io
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from adapters.contract import CONTRACT_VERSION
from adapters.registry import ADAPTERS
from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.machine import hardware, imports
from benchmarks.worker import THREAD_VARIABLES

ROOT = imports.ROOT
PROGRAM = "benchmarks.worker.supervisor"  # what a framework's interpreter runs; it becomes the worker

# A worker sees these of our environment and nothing else, so that no setting sneaks into a measurement.
# OPENBLAS_CORETYPE is not among them: each library looks for itself what processor it runs on.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
FIXED = {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "0",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "GLOG_minloglevel": "2",  # paddle announces its executor otherwise
}


OVERRIDES: dict[str, Path] = {}  # interpreters by framework, in place of tox's environments
DISTRIBUTIONS = "import importlib.metadata as m; print(sorted({(d.name or '', d.version) for d in m.distributions()}))"


def override_interpreters(pairs: Sequence[str]) -> None:
    """Take interpreters as they are typed, FRAMEWORK=PATH; UsageError for what is none."""
    for pair in pairs:
        framework, _, path = pair.partition("=")
        if framework not in ADAPTERS or not path:
            raise UsageError(f"--python {pair!r}: expected FRAMEWORK=PATH, a framework of {', '.join(ADAPTERS)}")
        if not os.access(path, os.X_OK) or not Path(path).is_file():
            raise UsageError(f"--python {pair!r}: {path} is no program that can be run")
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


def recreate_hint(framework: str, device: str) -> str:
    """Say how to get an environment in place of one that is there and of no use."""
    if framework in OVERRIDES:
        return f"give another interpreter with --python {framework}=PATH"
    return f"make it anew with: tox run --recreate --notest -e {name(framework, device)}"


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
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lines, re.MULTILINE))


def variables(threads: int, device: str = "cpu") -> dict[str, str]:
    """Return the whole environment of a worker that may use `threads` threads and one device."""
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    return inherited | FIXED | hardware.variables(device) | dict.fromkeys(THREAD_VARIABLES, str(threads))


@functools.cache
def lock_hash(framework: str, device: str) -> str:
    """Return a hash of the pinned requirements that made a framework's environment, or of what a given one has.

    UsageError where there are none.
    """
    if framework in OVERRIDES:
        return hashlib.sha256(_distributions(OVERRIDES[framework])).hexdigest()[:16]
    try:
        path = _lock_file(framework, device)
        return hashlib.sha256(path.name.encode() + b"\0" + path.read_bytes() + b"\0").hexdigest()[:16]
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


def code_hash() -> str:
    """Return a hash of all that a worker loads, as it is when a sweep begins: what it computes and how it is timed."""
    return imports.code_hash(PROGRAM)


def commit() -> str:
    """Return the checkout's git commit, with a mark where files differ from it; `unknown` outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@functools.cache
def resolved(revision: str) -> str:
    """Return a revision's commit in 12 digits; UsageError if this harness cannot drive its adapters, or it has none."""
    try:
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        commit = _git(*command).decode().strip()[:12]
        contract = _git("show", f"{commit}:adapters/contract.py")
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"--against {revision}: no git revision of this checkout that has adapters") from error
    if (version := _contract_version(contract)) != CONTRACT_VERSION:
        known = "none" if version is None else repr(version)
        raise UsageError(
            f"--against {revision}: its adapters have contract version {known}, this checkout needs {CONTRACT_VERSION};"
            f" give a newer revision, or measure in a checkout of it: git worktree add ../{commit} {commit}"
        )
    return commit


def _contract_version(source: bytes) -> object:
    """Return what a contract's source says is its version, None where it says nothing; nothing of it is run."""
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.parse(source).body:
            match node:
                case ast.Assign([ast.Name("CONTRACT_VERSION")], ast.Constant(version)):
                    return version
    return None


@functools.cache
def folder(commit: str) -> Path:
    """Return a folder that holds the adapters/ of a commit; removed when this process ends."""
    target = Path(_checkouts().name) / commit
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", commit, "adapters"))) as archive:
        archive.extractall(target, filter="data")
    return target


@functools.cache
def _checkouts() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory(prefix="lockstep-revisions-")
    atexit.register(made.cleanup)
    return made


def search_path(revision: str) -> tuple[Path, ...]:
    """Return the folders in which a worker looks for our modules; an empty revision is the checkout's own."""
    return (folder(revision), ROOT) if revision else (ROOT,)


def adapters_hash(commit: str) -> str:
    """Return a hash of all that a worker with the adapters of a commit loads."""
    return imports.code_hash(PROGRAM, folders=search_path(commit))


def _git(*arguments: str) -> bytes:
    """Return what git prints; OSError or CalledProcessError where it cannot."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout
