"""Opening a file that others may have put there: a link could lead anywhere, a pipe or a device never ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from benchmarks.errors import StorageError

KINDS = {
    stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket",
}  # fmt: skip


class NotRegular(StorageError):
    """What has the name of a file is something else; nothing of it was read."""

    def __init__(self, path: Path, mode: int) -> None:
        kind = KINDS.get(stat.S_IFMT(mode), "no file")
        super().__init__(f"{path.name}: {kind}, not a regular file; ignored; put a copy of the file in its place")


def opened(path: Path) -> BinaryIO:
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
