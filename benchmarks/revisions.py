"""The adapters of another git revision beside the checkout's own, so that one sweep can measure both in turn.

Only adapters/ is taken from there: the harness that proves and times them is the checkout's, the same for both.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from adapters.contract import CONTRACT_VERSION
from benchmarks import imports
from benchmarks.environments import PROGRAM, ROOT
from benchmarks.errors import UsageError


@functools.cache
def resolved(revision: str) -> str:
    """Return a revision's commit in 12 digits; UsageError if this harness cannot drive its adapters, or it has none."""
    try:
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        commit = git(*command).decode().strip()[:12]
        contract = git("show", f"{commit}:adapters/contract.py")
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
    target = Path(_kept().name) / commit
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit, "adapters"))) as archive:
        archive.extractall(target, filter="data")
    return target


@functools.cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory(prefix="lockstep-revisions-")
    atexit.register(made.cleanup)
    return made


def search_path(revision: str) -> tuple[Path, ...]:
    """Return the folders in which a worker looks for our modules; an empty revision is the checkout's own."""
    return (folder(revision), ROOT) if revision else (ROOT,)


def adapters_hash(commit: str) -> str:
    """Return a hash of all that a worker with the adapters of a commit loads."""
    return imports.code_hash(PROGRAM, folders=search_path(commit))


def git(*arguments: str) -> bytes:
    """Return what git prints; OSError or CalledProcessError where it cannot."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout
