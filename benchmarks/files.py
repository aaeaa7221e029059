"""Files that others may have written: locks, results of any size, links and pipes in the place of files, and our cache.

A lock is flock(2), which the kernel frees however its holder ends. A link could lead anywhere, and a pipe or a device
never ends, so that only regular files are opened. A results file without a newline, or with a line of gigabytes, must
still be read to its next line, in memory that grows with neither. The cache holds what was proven or measured once, as
JSON, under a hash of everything that decides it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.errors import DataError, LockstepError, StorageError, shown

LONGEST_WORDS_BYTES = 400


@contextmanager
def locked(descriptor: int, words: Callable[[], str], held: Callable[[str, int], None]) -> Iterator[None]:
    """Hold the lock of a file that is open to read and write, and close the file at the end.

    `words` are written into it, for others who want the lock; the file stays, as to remove it would let two hold it.
    While another process has the lock, `held` is called with its words, which may be anything, and the descriptor: it
    waits, or raises.
    """
    try:
        while not _got(descriptor):
            held(_holder(descriptor), descriptor)
        with suppress(OSError):  # a full disk: others see the pid alone
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {words()}".encode()[:LONGEST_WORDS_BYTES], 0)
        yield
    finally:
        os.close(descriptor)


def _got(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Return who holds the lock, in words; those in the file are the holder's only if they begin with its pid."""
    inode, pid = os.fstat(descriptor).st_ino, ""
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", found, place, *_] if place.endswith(f":{inode}"):
                pid = found
    content = b""
    with suppress(OSError):  # no regular file: a pipe can be locked, too
        content = os.pread(descriptor, LONGEST_WORDS_BYTES, 0)
    writer, _, words = content.decode(errors="replace").partition(" ")
    does = words.strip() if writer == pid or not pid else ""
    return f"{f'process {pid}' if pid else 'a process of another container'} {does or 'does not say what it does'}"


class NoScratch(LockstepError):
    """No temporary folder can be made, or it is full; rows can be written all the same."""

    exit_code = 74  # EX_IOERR of sysexits.h


FULL = (errno.ENOSPC, errno.EDQUOT)
ROOM = "make room, or set TMPDIR to a folder that has some and that you can write"
PREFIX, ALIVE = "lockstep-", "in-use"


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new temporary folder, and remove it; also those that a killed process of this user left.

    The file ALIVE in it is locked for as long as its process lives. NoScratch where none can be made, or it is full.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(OSError):
            _remove_abandoned(folder.parent)
        part = folder / f"{ALIVE}.part"  # nobody sees it before it is locked
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        part.rename(folder / ALIVE)
    except OSError as error:
        why = error.strerror or "no folder for them can be written"
        raise NoScratch(f"cannot make a temporary folder: {why}; {ROOM}") from error
    try:
        yield folder
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoScratch(f"cannot write below {shown(folder.parent)}: {error.strerror}; {ROOM}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    """Remove the temporary folders of this user whose process has ended without removing them."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / ALIVE, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


KINDS = {
    stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket",
}  # fmt: skip


class NotRegular(StorageError):
    """A path names something other than a regular file; nothing of it was read."""

    def __init__(self, path: Path, mode: int) -> None:
        kind = KINDS.get(stat.S_IFMT(mode), "no file")
        super().__init__(f"{path.name}: {kind}, not a regular file; ignored; put a copy of the file in its place")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting; NotRegular for anything else, OSError as open(2) says."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
            raise NotRegular(path, path.lstat().st_mode) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise NotRegular(path, mode)
    return os.fdopen(descriptor, "rb")


def read_lines(file: BinaryIO, block_bytes: int, max_line_bytes: int) -> Iterator[list[bytes]]:
    """Yield all lines in order, newlines apart, as lists of `block_bytes` bytes or a line more.

    A line of more than `max_line_bytes` is cut, one byte later. What follows the last newline was torn off by a crash
    and is ignored.
    """
    lines: list[bytes] = []
    size = 0
    while line := file.readline(max_line_bytes + 2):
        if not line.endswith(b"\n") and not _to_newline(file):
            break
        lines.append(line[: max_line_bytes + 1].removesuffix(b"\n"))
        size += len(line)
        if size >= block_bytes:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _to_newline(file: BinaryIO) -> bool:
    """Read the rest of a line; return whether it ends with a newline."""
    while rest := file.readline(1 << 20):
        if rest.endswith(b"\n"):
            return True
    return False


class NoCache(StorageError):
    """Nothing says where the user's caches are."""


Document = dict[str, Any]


def read_cached(kind: str, decisive: Mapping[str, Any]) -> Document | None:
    """Return the document that was written for exactly this, None where there is none or its file is damaged."""
    try:
        found = json.loads(_cached_path(kind, decisive).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_cached(kind: str, decisive: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Write a document in one piece."""
    path = _cached_path(kind, decisive)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(document).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one piece: until then a reader sees the old one, or none."""
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(content)
    part.rename(path)


def _cached_path(kind: str, decisive: Mapping[str, Any]) -> Path:
    return default_cache() / kind / f"{cache_key(decisive)}.json"


def cache_key(decisive: Mapping[str, Any]) -> str:
    """Return 24 hex digits of a hash of everything that decides what a document says; JSON values."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:24]


def default_cache() -> Path:
    """Return LOCKSTEP_CACHE, else a folder among the user's caches (specifications.freedesktop.org/basedir-spec).

    NoCache where there is none of the three: another user could make, or fill, a folder among the temporary ones first.
    """
    if own := os.environ.get("LOCKSTEP_CACHE"):
        return Path(own)
    caches = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(caches) if os.path.isabs(caches) else Path.home() / ".cache") / "lockstep"
    except RuntimeError:
        why = "HOME is not set and this user has no entry in the passwd file"
        raise NoCache(f"no cache folder: {why}; set LOCKSTEP_CACHE to a folder you can write") from None


def file_sha256(path: Path) -> str:
    """Return the hex sha256 of the file's bytes as they lie on the disk; DataError if it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error
