"""A user's own data set at a path: which of the forms that images come in lies there, and what its reader found.

A folder holds one form: four IDX files (also as torchvision lays them out, or as EMNIST names them), CSV or Parquet
files to train and to test on, an .npz, or folders of pictures. Where a form does not say what is to test on, it is
split by `every_fifth`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError, require, shown
from benchmarks.plan.data import FITS, MAX_CLASSES, Array, Dataset, Labelled, Labels, dataset, every_fifth, size
from benchmarks.plan.data.csv_file import Unlabelled, read_csv
from benchmarks.plan.data.likeness import warnings
from benchmarks.plan.data.opening import NUMPY_ALONE, names, open_data, unfit
from benchmarks.plan.data.parquet_file import read_parquet
from benchmarks.plan.data.readers import read_idx, read_json, read_npz
from benchmarks.plan.data.sources import FILES, NAMES
from benchmarks.plan.typed import nearest

Parts = tuple[Labelled, Labelled | None]  # to train on, to test on; one list that is still to be split
FORMS = (
    "a folder of the four IDX files (also MNIST/raw of torchvision), of a train and a test .csv or .parquet, or of a"
    " folder of pictures for each class; or an .npz or .parquet file, or a .csv or .json, gzipped or not"
)
IDX = re.compile(r"(?:(.+)-)?(train|t10k|test)-(images|labels)[-.]idx[13][-.]ubyte(\.gz)?", re.IGNORECASE)
TABLE = re.compile(r".+\.(csv|parquet|npz)(\.gz)?", re.IGNORECASE)
MOST = 10  # of the classes that a line names
PARTS = (re.compile("train", re.IGNORECASE), re.compile("test|t10k", re.IGNORECASE))


def load_own(path: Path) -> Dataset:
    """Return the user's own data set, named by the stem of its file or folder and by its content: digits-3fa2c1d0.

    Rows of two sweeps meet by names alone, and two files may share a stem, also with a named set. Its notes say how
    many images went where, what was left out, and what looks wrong. Raises DataError, one line that says what fits.
    """
    path = Path(os.path.realpath(path))
    try:
        (train, test), source = _folder(path) if path.is_dir() else _file(path)
        stem = path.stem if path.is_dir() else path.name.removesuffix(".gz").rpartition(".")[0]
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error.strerror or error}") from error
    if test is None and (not len(train.labels) or np.bincount(train.labels).max() < 5):
        raise DataError(f"dataset too small: {shown(path)} has no class with five images, so none is left to test")
    arrays = every_fifth(train.images, train.labels) if test is None else (*_pair(train), *_pair(test))
    checked = dataset(shown(path), arrays, f"the user's own {source}", train.names)
    if checked.classes < 2:
        raise DataError(
            f"dataset does not fit: {shown(path)}: all its labels are 0; give images of two classes or more"
        )
    name = f"{stem}-{checked.sha256[:8]}"
    remarks = dict.fromkeys((*train.remarks, *(test.remarks if test else ())))
    notes = (_counts(name, checked, test is None, remarks), *warnings(name, checked.arrays))
    return dataclasses.replace(checked, name=name, notes=notes)


def _pair(part: Labelled) -> tuple[Array, Labels]:
    return part.images, part.labels


def _counts(name: str, data: Dataset, split: bool, remarks: Iterable[str]) -> str:
    """Return the line on what became of the images."""
    train, test = len(data.train_labels), len(data.test_labels)
    how = "every fifth of each class" if split else "as the files have them"
    words = [f"{name}: {train:,} of {train + test:,} images to train on, {test:,} to test on, {how}"]
    words += [f"{size(data.image_shape)} in {data.classes} classes", *remarks]
    for labels, what in ((data.train_labels, "train"), (data.test_labels, "test")):
        if absent := sorted({*range(data.classes)} - {*map(int, np.unique(labels))}):
            words.append(f"no image of {_some(map(str, absent))} to {what} on")
    return "; ".join(words)


def _some(words: Iterable[str]) -> str:
    """Return the first of some words, and how many more there are."""
    found = list(words)
    return ", ".join(found[:MOST]) + f" and {len(found) - MOST} more" * (len(found) > MOST)


def _file(path: Path) -> tuple[Parts, str]:
    """Return what one file holds, by the ending of its name."""
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    readers: dict[str, Callable[[], Parts]] = {
        "csv": lambda: (read_csv(path), None),
        "json": lambda: read_json(path),
        "npz": lambda: read_npz(path),
        "parquet": lambda: (read_parquet(path), None),
    }
    if ending in ("npz", "parquet") and path.name.lower().endswith(".gz"):
        raise DataError(f"{shown(path)} is gzipped; gunzip it")  # both are compressed within
    if not path.is_file() or ending not in readers:
        with open_data(path) if path.is_file() else nullcontext():
            pass  # says what it is
        raise DataError(f"no data set {shown(path)}{nearest(path.name, NAMES)}; or the path of {FORMS}")
    return readers[ending](), f"{ending.upper() if ending != 'parquet' else 'Parquet'} file"


def _folder(path: Path) -> tuple[Parts, str]:
    """Return what a folder holds: in itself, else in one folder below, else in the raw/ of one below."""
    below = [path / name for name in names(path) if (path / name).is_dir()]
    for places in ([path], below, [place / "raw" for place in below if (place / "raw").is_dir()]):
        held = {place: files for place in places if (files := _data_files(place))}
        if len(held) > 1:
            raise _several(path, [place.relative_to(path).as_posix() for place in held])
        for place, files in held.items():
            return _idx(place, files) if any(IDX.fullmatch(file) for file in files) else _tables(place, files)
    if pictures := _pictures(path, [place.name for place in below]):
        return pictures, "pictures"
    raise DataError(f"{shown(path)} is no data set: it holds nothing that is read here; give the path of {FORMS}")


def _data_files(folder: Path) -> list[str]:
    return [n for n in names(folder) if (IDX.fullmatch(n) or TABLE.fullmatch(n)) and (folder / n).is_file()]


def _several(path: Path, found: list[str]) -> DataError:
    listed = ", ".join(shown(name) for name in found[:8]) + ", ..." * (len(found) > 8)
    return DataError(
        f"{shown(path)} holds several data sets: {listed}; give the path of one, or a folder with one alone"
    )


def _idx(folder: Path, files: list[str]) -> tuple[Parts, str]:
    """Return the four arrays of IDX files; a plain file comes before a gzipped one."""
    sets: dict[str, dict[tuple[str, str], str]] = {}
    for file in sorted(files, reverse=True):  # x.gz before x, which then takes its place
        if found := IDX.fullmatch(file):
            part = "train" if found[2].lower() == "train" else "t10k"
            sets.setdefault(found[1] or "", {})[part, found[3].lower()] = file
    whole = [name for name, held in sets.items() if len(held) == 4]
    if len(whole) > 1:
        raise _several(folder, sorted(f"{name}-train-images".removeprefix("-") for name in whole))
    held = sets[whole[0] if whole else min(sets)]
    four = {(words[0], words[1]): "-".join(words).removesuffix(".gz") for file in FILES if (words := file.split("-"))}
    if absent := [file for key, file in four.items() if key not in held]:
        raise DataError(
            f"{shown(folder)} is no data set: a folder must hold the four IDX files {', '.join(four.values())},"
            f" gzipped (.gz) or not; it lacks {', '.join(absent)}"
        )
    arrays = [read_idx(folder / held[key]) for key in four]
    return (Labelled(arrays[0], arrays[1]), Labelled(arrays[2], arrays[3])), "IDX files"


def _tables(folder: Path, files: list[str]) -> tuple[Parts, str]:
    """Return what the tables of a folder hold: one alone, or those whose names say train and test."""
    if len(files) == 1:
        return _file(folder / files[0])
    endings = {TABLE.fullmatch(file)[1].lower() for file in files if TABLE.fullmatch(file)}  # type: ignore[index]
    test = [file for file in files if PARTS[1].search(file)]
    train = [file for file in files if PARTS[0].search(file) and file not in test]
    if len(endings) > 1 or not train or "npz" in endings:
        raise _several(folder, files)
    read, source = (read_csv, "CSV files") if endings == {"csv"} else (read_parquet, "Parquet files")
    others = [file for file in files if file not in (*train, *test)]
    remarks = [f"{shown(file)} is left out" for file in others]
    trained = [read(folder / file) for file in train]
    tested = []
    for file in test:
        try:
            tested.append(read(folder / file))
        except Unlabelled:
            remarks.append(f"{shown(file)} has no labels and is left out")
    return (_joined(folder, trained, remarks), _joined(folder, tested) if tested else None), source


def _joined(folder: Path, parts: list[Labelled], remarks: Iterable[str] = ()) -> Labelled:
    """Return several lists as one, and what is to be said of them, each once; DataError for images of two sizes."""
    if len(shapes := {part.images.shape[1:] for part in parts}) > 1:
        found = " and ".join(map(size, sorted(shapes)))
        raise DataError(f"dataset does not fit: {shown(folder)} holds images of {found}; {FITS}")
    images = np.concatenate([part.images for part in parts])
    said = dict.fromkeys((*(remark for part in parts for remark in part.remarks), *remarks))
    return Labelled(images, np.concatenate([part.labels for part in parts]), tuple(said), parts[0].names)


def _pictures(path: Path, below: list[str]) -> Parts | None:
    """Return the pictures of a folder for each class, in train/ and test/ or in one; None where there are none."""
    require("reading pictures", "PIL", instead=NUMPY_ALONE)
    from benchmarks.plan.data.pictures import ENDINGS, read_pictures  # noqa: PLC0415 - needs Pillow

    found = [[name for name in below if part.match(name)] for part in PARTS]
    roots = [path / of_part[0] for of_part in found if len(of_part) == 1] if found[0] else [path]
    classes: set[str] = set()
    for root in roots:
        for name in names(root):
            if (root / name).is_dir() and any(file.lower().endswith(ENDINGS) for file in names(root / name)):
                classes.add(name)
    if not classes:
        return None
    if len(classes) > MAX_CLASSES:
        raise unfit(path, "its folders of pictures", f"folders for at most {MAX_CLASSES} classes", len(classes))
    order, named = _numbered(classes)
    parts = [read_pictures(root, order) for root in roots]
    remarks = [f"labels are {_some(f'{at} = {shown(name)}' for at, name in enumerate(order))}"] if named else []
    remarks += [f"{shown(name)} is left out" for name in below if roots != [path] and path / name not in roots]
    train = dataclasses.replace(_joined(path, parts[:1], remarks), names=tuple(order) if named else ())
    return train, parts[1] if len(parts) == 2 else None


def _numbered(classes: set[str]) -> tuple[list[str], bool]:
    """Return folders' names in the order of their labels, and whether a label is another number than the name says."""
    if classes <= {*"0123456789"}:  # digits, of which some may be absent
        return [*"0123456789"], False
    if all(name.isascii() and name.isdigit() for name in classes):
        order = sorted(classes, key=lambda name: (int(name), name))
        return order, order != [str(at) for at in range(len(order))]
    return sorted(classes), True
