"""A data set of the user's own: four IDX files in a folder, a CSV file, or the nested lists of mnist.json.gz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.datasets.content import Dataset, dataset, every_fifth
from benchmarks.datasets.formats import read_csv, read_idx, read_json
from benchmarks.datasets.reading import shown
from benchmarks.datasets.sources import FILES, NAMES
from benchmarks.errors import DataError


def load_own(path: Path) -> Dataset:
    """Return the user's own data set, named by the stem of its file or folder.

    A CSV file is one list of images and is split by `every_fifth`; the others say themselves what is for testing.
    Raises DataError if the path is none of these or its content is not what it should be.
    """
    path = path.resolve()
    if path.is_dir():
        if absent := [file.removesuffix(".gz") for file in FILES if not _idx_file(path, file).is_file()]:
            raise DataError(
                f"{shown(path)} is no data set: a folder must hold the four IDX files"
                f" {', '.join(file.removesuffix('.gz') for file in FILES)}, gzipped (.gz) or not;"
                f" it lacks {', '.join(absent)}"
            )
        train_images, train_labels, test_images, test_labels = (read_idx(_idx_file(path, file)) for file in FILES)
        arrays = train_images, train_labels, test_images, test_labels
        return dataset(own_name(path.stem), arrays, "the user's own IDX files")
    stem, _, ending = path.name.removesuffix(".gz").rpartition(".")
    if ending == "csv" and path.is_file():
        images, labels = read_csv(path, label_column="auto")
        if np.bincount(labels).max() < 5:
            raise DataError(f"dataset too small: {shown(path)} has no digit with five images, so none is left to test")
        return dataset(own_name(stem), every_fifth(images, labels), "the user's own CSV file")
    if ending == "json" and path.is_file():
        return dataset(own_name(stem), read_json(path), "the user's own JSON file")
    raise DataError(
        f"no data set {shown(path)}: known are {', '.join(NAMES)}, or the path of a folder with the four IDX files,"
        f" of a .csv or .json file, gzipped or not"
    )


def own_name(stem: str) -> str:
    """Return the stem, marked where a named set has it: rows must never take one for the other."""
    return f"{stem} (own)" if stem in NAMES else stem


def _idx_file(folder: Path, file: str) -> Path:
    plain = folder / file.removesuffix(".gz")
    return plain if plain.is_file() else folder / file
