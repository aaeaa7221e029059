"""What git knows of this checkout: its commit, and the adapters of another revision beside the checkout's own.

One sweep can so measure both in turn. Only adapters/ is taken from the other revision: the harness that proves and
times them is the checkout's, the same for both.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import io
import re
import subprocess
import tarfile
from pathlib import Path

from adapters.contract import CONTRACT_VERSION
from benchmarks import files
from benchmarks.errors import UsageError
from benchmarks.machine import imports
from benchmarks.machine.environments import PROGRAM

ROOT = imports.ROOT


def output(*arguments: str) -> bytes | None:
    """Return what a git command prints in this repository; None where it fails or there is no git.

    git distrusts a checkout that somebody else owns, as of a mounted folder in a container: its settings could run
    programs. This program already is from there.
    """
    line = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(line, capture_output=True, check=True).stdout
    except (OSError, ValueError, subprocess.CalledProcessError):  # ValueError: a null character
        return None


def commit() -> str:
    """Return the checkout's git commit, with a mark where files differ from it; `unknown` outside of git."""
    found = output("describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")
    return "unknown" if found is None else found.decode().strip()


def web_address() -> str:
    """Return where this repository can be read in a browser, empty where git knows of no such place."""
    found = (output("remote", "get-url", "origin") or b"").decode(errors="replace").strip()
    address = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", found).removesuffix(".git")
    return address if re.fullmatch(r"https://[\w.-]+/[\w./~-]+", address) else ""  # none that holds a password


@functools.cache
def resolved(revision: str) -> str:
    """Return a revision's commit in 12 digits; UsageError if this harness cannot drive its adapters, or it has none."""
    name = output("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") or b""
    commit = name.decode().strip()[:12]
    contract = output("show", f"{commit}:adapters/contract.py") if commit else None
    if contract is None:
        raise UsageError(f"--against {revision}: no git revision of this checkout that has adapters")
    if (version := _contract_version(contract)) != CONTRACT_VERSION:
        known = "none" if version is None else repr(version)
        raise UsageError(
            f"--against {revision}: its adapters have contract version {known}, this checkout needs {CONTRACT_VERSION};"
            f" give a newer revision, or measure in a checkout of it: git worktree add ../{commit} {commit}"
        )
    return commit


def _contract_version(source: bytes) -> object:
    """Return the version that a contract's source states, None where it states none; nothing of it is run."""
    with contextlib.suppress(SyntaxError, ValueError):
        for node in imports.parsed(source).body:
            match node:
                case ast.Assign([ast.Name("CONTRACT_VERSION")], ast.Constant(version)):
                    return version
    return None


@functools.cache
def adapters_folder(commit: str) -> Path:
    """Return a folder that holds the adapters/ of a commit; removed when this process ends. UsageError without git."""
    archived = output("archive", "--format=tar", commit, "adapters")
    if archived is None:
        raise UsageError(f"git has no adapters of the commit {commit} here")
    target = _checkouts() / commit
    with tarfile.open(fileobj=io.BytesIO(archived)) as archive:
        archive.extractall(target, filter="data")
    return target


@functools.cache
def _checkouts() -> Path:
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(files.scratch())


def search_path(revision: str) -> tuple[Path, ...]:
    """Return the folders in which a worker looks for our modules; an empty revision is the checkout's own."""
    return (adapters_folder(revision), ROOT) if revision else (ROOT,)


def adapters_hash(commit: str) -> str:
    """Return a hash of all that a worker with the adapters of a commit loads."""
    return imports.code_hash(PROGRAM, folders=search_path(commit))
