"""A data set as four .npy files that every worker maps into memory, written once and shared by all sweeps."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError, shown
from benchmarks.files import default_cache, locked
from benchmarks.plan.data import ARRAY_NAMES, Dataset, Shape
from benchmarks.plan.data.own import load_own
from benchmarks.plan.data.sources import NAMES, load_named

FOLDER = "arrays"  # in the cache; `prepared` was the name while images had no axis of channels
LOCK_TIMEOUT_S = 60.0  # writing takes about a second
RETRY_S = 0.05  # flock(2) knows no deadline: another process writes for some seconds at most


@dataclass(frozen=True)
class Prepared:
    """`folder` holds train_images.npy, train_labels.npy, test_images.npy and test_labels.npy.

    Images uint8 (N, *image_shape), labels (N,) of `classes` classes, uint8, or uint16 where there are more than 256; N
    is train_size or test_size. The other fields are the Dataset's.
    """

    name: str
    sha256: str
    folder: Path
    train_size: int
    test_size: int
    source: str
    image_shape: Shape  # channels, height, width
    classes: int
    class_names: tuple[str, ...] = ()  # where they are known
    notes: tuple[str, ...] = ()


def prepare(name: str, data_dir: Path | None = None, cache: Path | None = None) -> Prepared:
    """Load, check and write once the data set with a name of NAMES, or at a path of the user's own.

    `data_dir` (else LOCKSTEP_DATA) is where the files of a named set lie. `cache` is by default LOCKSTEP_CACHE,
    else the user's cache folder. Raises DataError, one line that says what to do.
    """
    cache = cache or default_cache()
    data = load_named(name, data_dir, cache) if name in NAMES else load_own(Path(name))
    folder = cache / FOLDER / data.sha256[:16]
    _write_once(folder, data)
    return Prepared(
        name=data.name,
        sha256=data.sha256,
        folder=folder,
        train_size=len(data.train_labels),
        test_size=len(data.test_labels),
        source=data.source,
        image_shape=data.image_shape,
        classes=data.classes,
        class_names=data.class_names,
        notes=data.notes,
    )


def _write_once(folder: Path, data: Dataset) -> None:
    """Make the folder hold the arrays: reuse it where it does, else write beside it and rename, under a lock."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _one_writer(folder.with_name(folder.name + ".lock")):
            if not _holds(folder, data):
                _replace(folder, data)
    except OSError as error:
        raise DataError(
            f"cannot write {data.name} to {shown(folder)}: {error.strerror or error};"
            f" set LOCKSTEP_CACHE to a folder you can write"
        ) from error


@contextmanager
def _one_writer(lock: Path) -> Iterator[None]:
    """Hold a file's lock, which the kernel frees however this process ends; DataError after LOCK_TIMEOUT_S."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S

    def held(holder: str, _: int) -> None:
        if time.monotonic() > deadline:
            raise DataError(f"{shown(holder)}, and has held {shown(lock)} for {LOCK_TIMEOUT_S:.0f} s; end it or wait")
        time.sleep(RETRY_S)

    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with locked(descriptor, lambda: "writes a data set", held):
        yield


def _holds(folder: Path, data: Dataset) -> bool:
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
