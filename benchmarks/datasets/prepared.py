"""A data set as four .npy files that every worker maps into memory, written once and shared by all sweeps."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.datasets.content import ARRAY_NAMES, Dataset
from benchmarks.datasets.own import load_own
from benchmarks.datasets.reading import shown
from benchmarks.datasets.sources import NAMES, load_named
from benchmarks.errors import DataError

LOCK_TIMEOUT_S = 60.0  # writing takes about a second; the kernel frees the lock of a process that died


@dataclass(frozen=True)
class Prepared:
    """`folder` holds train_images.npy, train_labels.npy, test_images.npy and test_labels.npy, uint8.

    Images (N, 28, 28), labels (N,); N is train_size or test_size. `sha256` and `source` are the Dataset's.
    """

    name: str
    sha256: str
    folder: Path
    train_size: int
    test_size: int
    source: str


def prepare(name: str, data_dir: Path | None = None, cache: Path | None = None) -> Prepared:
    """Load, check and write once the data set with a name of NAMES, or at a path of the user's own.

    `data_dir` (else LOCKSTEP_DATA) is where the files of a named set lie. `cache` is by default LOCKSTEP_CACHE,
    else the user's cache folder. Raises DataError, one line that says what to do.
    """
    cache = cache or default_cache()
    data = load_named(name, data_dir, cache) if name in NAMES else load_own(Path(name))
    folder = cache / "prepared" / data.sha256[:16]
    write_once(folder, data)
    return Prepared(data.name, data.sha256, folder, len(data.train_labels), len(data.test_labels), data.source)


def default_cache() -> Path:
    """Return LOCKSTEP_CACHE, else the folder for caches that the system gives each user."""
    import platformdirs  # noqa: PLC0415 - only the harness's environment has it

    return Path(os.environ.get("LOCKSTEP_CACHE") or platformdirs.user_cache_dir("lockstep"))


def write_once(folder: Path, data: Dataset) -> None:
    """Make the folder hold the arrays: reuse it where it does, else write beside it and rename, under a lock."""
    import filelock  # noqa: PLC0415 - only the harness's environment has it

    lock = folder.with_name(folder.name + ".lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=LOCK_TIMEOUT_S):
            if not holds(folder, data):
                _replace(folder, data)
    except filelock.Timeout as error:
        raise DataError(f"another process has held {shown(lock)} for {LOCK_TIMEOUT_S:.0f} s; end it or wait") from error
    except OSError as error:
        raise DataError(
            f"cannot write {data.name} to {shown(folder)}: {error.strerror or error};"
            f" set LOCKSTEP_CACHE to a folder you can write"
        ) from error


def holds(folder: Path, data: Dataset) -> bool:
    """Return whether the folder holds exactly these arrays; a power cut or a bad disk may have changed them."""
    try:
        for name, array in zip(ARRAY_NAMES, data.arrays, strict=True):
            found = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if found.dtype != array.dtype or not np.array_equal(found, array):
                return False
    except (OSError, ValueError, EOFError):  # not there, cut short, or no .npy file
        return False
    return True


def _replace(folder: Path, data: Dataset) -> None:
    temporary = folder.with_name(folder.name + ".tmp")  # the lock keeps it to one process; a crash may leave one
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, array in zip(ARRAY_NAMES, data.arrays, strict=True):
        np.save(temporary / f"{name}.npy", array, allow_pickle=False)
    shutil.rmtree(folder, ignore_errors=True)  # a worker that has the old files mapped keeps them
    temporary.rename(folder)
