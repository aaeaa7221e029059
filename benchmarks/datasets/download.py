"""Downloads: a temporary file, its sha256, a rename; the mirrors in turn; offline, one line that says what to do."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

from benchmarks.datasets.reading import shown
from benchmarks.errors import DataError

MAX_FILE_BYTES = 64 << 20  # the largest file has 26 MB; a mirror that never stops must not fill the disk
TIMEOUT_S = (10.0, 30.0)  # to connect; between two pieces


class _Bounded(io.FileIO):
    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, f"more than {MAX_FILE_BYTES} bytes")
        return super().write(data)


def _fetch(url: str, output_file: str, _pooch: object) -> None:
    from pooch import HTTPDownloader  # noqa: PLC0415 - pooch is needed by downloads alone

    # Without this header a server may gzip the gz once more, and the sha256 of what arrives is another.
    get = HTTPDownloader(timeout=TIMEOUT_S, headers={"Accept-Encoding": "identity"})
    with _Bounded(output_file, "w") as bounded:
        get(url, bounded, None)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the file has another sha256"


def download(name: str, files: dict[str, str], mirrors: tuple[str, ...], folder: Path) -> None:
    """Download `files` (name: sha256) into the folder, each from the first mirror that has the right one.

    Raises DataError naming the files still missing, their sha256 and the folder to put them into.
    """
    import pooch  # noqa: PLC0415 - pooch is needed by downloads alone

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
