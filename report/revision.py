"""Results as a git revision has them, taken out of the repository without touching what is checked out."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.errors import UsageError

FOLDER = "results"


@contextmanager
def extracted(revision: str) -> Iterator[list[Path] | None]:
    """Yield the results files at `REV`, `REV:path/to/folder` or `REV:path/to/file.jsonl`, in a temporary folder.

    REV alone means its folder results/. Yields None where this is no revision of the repository; UsageError where it
    is one without such results.
    """
    rev, _, path = revision.partition(":")
    path = path.strip("/") or FOLDER
    if not rev or not (commit := text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")):
        yield None
        return
    found = entries(commit.strip(), path)
    if not found:
        raise UsageError(f"{rev} has no .jsonl files in {path}; {others(rev, commit.strip())}")
    with tempfile.TemporaryDirectory(prefix="lockstep-") as folder:
        for name, blob in found.items():
            (Path(folder) / name).write_bytes(git("cat-file", "blob", blob) or b"")
        yield sorted(Path(folder).iterdir())


def entries(commit: str, path: str) -> dict[str, str]:
    """Return the blob of each results file in a folder of a commit, by name; of the file itself if it is one."""
    below = tree(commit, path)
    return {Path(name).name: blob for name, blob in below.items() if name == path or Path(name).parent == Path(path)}


def others(rev: str, commit: str) -> str:
    """Say which folders of a commit hold results."""
    folders = sorted({f"{rev}:{Path(name).parent}" for name in tree(commit, FOLDER)})
    return f"there are: {', '.join(folders)}" if folders else "it has none in any folder of results/"


def tree(commit: str, path: str) -> dict[str, str]:
    """Return the blobs of all results files at or below a path of a commit, by full name; links are none."""
    lines = (git("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--", path) or b"").split(b"\0")
    found = {}
    for line in filter(None, lines):
        about, name = line.decode(errors="surrogateescape").split("\t", 1)
        mode, _, blob = about.split()
        if mode.startswith("100") and name.endswith(".jsonl"):
            found[name] = blob
    return found


def text(*arguments: str) -> str:
    """Return what a git command prints, empty if it fails."""
    return (git(*arguments) or b"").decode()


def git(*arguments: str) -> bytes | None:
    """Return what a git command prints in this repository, None if it fails or there is no git."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)
    except (OSError, ValueError):  # ValueError: a null character
        return None
    return done.stdout if done.returncode == 0 else None
