"""Downloads: a temporary file, its sha256, a rename; the mirrors in turn; offline, one line that says what to do."""

from __future__ import annotations

import errno
import io
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.datasets.reading import shown
from benchmarks.errors import DataError
from benchmarks.packages import require

MAX_FILE_BYTES = 64 << 20  # the largest file has 26 MB; a mirror that never stops must not fill the disk
TIMEOUT_S = (10.0, 30.0)  # to connect; between two pieces
TOTAL_S = 600.0  # for one file, redirects and headers included: 26 MB at 45 kB/s
PIECE_BYTES = 1 << 16


class _Bounded(io.FileIO):
    """A file that takes MAX_FILE_BYTES until its deadline, and nothing more."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "w")
        self.deadline = time.monotonic() + TOTAL_S

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, f"more than {MAX_FILE_BYTES} bytes")
        if time.monotonic() > self.deadline:
            raise _late()
        return super().write(data)


def _late() -> OSError:
    return OSError(errno.ETIMEDOUT, f"took more than {TOTAL_S:g} s")


def _fetch(url: str, output_file: str, _pooch: object) -> None:
    """Write what the URL answers into the file; OSError for every way in which it does not.

    In a thread that is left behind at the deadline: a server that sends a byte now and then, in its headers too, is
    never late for the timeouts of sockets. The thread writes no more, and ends with its next piece or the program.
    """
    errors: list[OSError] = []
    thread = threading.Thread(target=_receive, args=(url, output_file, errors), daemon=True)
    thread.start()
    thread.join(TOTAL_S)
    if thread.is_alive():
        raise _late()
    if errors:
        raise errors[0]


def _receive(url: str, output_file: str, errors: list[OSError]) -> None:
    import requests  # noqa: PLC0415 - what pooch downloads with; see packages.py
    import urllib3  # noqa: PLC0415

    # Without this header a server may gzip the gz once more. What comes is kept as it comes, whatever its encoding is
    # said to be: the sha256 is that of the file as it lies on the mirror.
    headers = {"Accept-Encoding": "identity"}
    try:
        with (
            _Bounded(output_file) as file,
            requests.get(url, headers=headers, timeout=TIMEOUT_S, stream=True) as answer,
        ):
            answer.raise_for_status()
            while piece := answer.raw.read1(PIECE_BYTES, decode_content=False):
                file.write(piece)
    except OSError as error:  # those of requests are OSErrors, too
        errors.append(error)
    except urllib3.exceptions.HTTPError as error:
        errors.append(OSError(errno.EIO, f"broken off ({type(error).__name__})"))
    except ValueError:
        errors.append(OSError(errno.EIO, "redirects to what is no URL"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the file has another sha256"


def download(name: str, files: dict[str, str], mirrors: tuple[str, ...], folder: Path) -> None:
    """Download `files` (name: sha256) into the folder, each from the first mirror that has the right one.

    Raises DataError naming the files still missing, their sha256 and the folder to put them into.
    """
    # Here, not in the thread of _fetch, whose errors nobody would read.
    require(f"downloading {name}", "pooch", "requests", instead="pass --data-dir with a folder that has its files")
    import pooch  # noqa: PLC0415 - see packages.py

    for file, sha256 in files.items():
        reasons = []
        for mirror in mirrors:
            try:
                pooch.retrieve(mirror + file, f"sha256:{sha256}", fname=file, path=folder, downloader=_fetch)
                break
            except (OSError, ValueError) as error:  # requests raises OSErrors; pooch a ValueError for a wrong sha256
                reasons.append(f"{mirror}: {_reason(error)}")
        else:
            missing = ", ".join(f"{f} (sha256 {s})" for f, s in files.items() if not (folder / f).is_file())
            raise DataError(
                f"cannot download {name} ({'; '.join(reasons)}); put {missing} into {shown(folder)},"
                f" or pass --data-dir with a folder that has them"
            )
