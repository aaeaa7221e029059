"""The adapters of another git revision beside the checkout's own, so that one sweep can measure both in turn.

Only adapters/ is taken from there: the harness that proves and times them is the checkout's, the same for both.
"""

from __future__ import annotations

import atexit
import functools
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from benchmarks.environments import ROOT, digest
from benchmarks.errors import UsageError


@functools.cache
def resolved(revision: str) -> str:
    """Return a revision's commit in 12 digits; UsageError if there is no such revision with adapters."""
    try:
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
        commit = git(*command).decode().strip()[:12]
        git("cat-file", "-e", f"{commit}:adapters/contract.py")
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"--against {revision}: no git revision of this checkout that has adapters") from error
    return commit


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


def adapters_hash(commit: str) -> str:
    """Return a hash over the adapters of a commit."""
    return digest(sorted((folder(commit) / "adapters").glob("*.py")))


def git(*arguments: str) -> bytes:
    """Return what git prints; OSError or CalledProcessError where it cannot."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout
