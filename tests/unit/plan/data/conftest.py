"""Small data sets in every format, and an environment in which no test reads the user's own settings."""

import dataclasses
import gzip
import hashlib
import json
import struct

import numpy as np
import pytest

from benchmarks.plan.data import sources

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def random_digits(count, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def idx_bytes(array):
    magic = 0x0801 if array.ndim == 1 else 0x0803
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def csv_bytes(images, labels, last=False, header=False, quote="", newline="\n"):
    rows = [["label", *(f"pixel{i}" for i in range(784))]] if header else []
    rows += [[label, *image.ravel()] for image, label in zip(images, labels, strict=True)]
    rows = [[*row[1:], row[0]] if last else row for row in rows]
    return "".join(",".join(f"{quote}{v}{quote}" for v in row) + newline for row in rows).encode()


def json_bytes(*parts):
    lists = [[(images.reshape(-1, 784) / 255).tolist(), labels.tolist()] for images, labels in parts]
    return json.dumps(lists).encode()


@pytest.fixture(scope="session")
def make():
    """The writers of this file, as a namespace: test folders are no packages and cannot import each other."""

    class Make:
        files = FILES
        digits = staticmethod(random_digits)
        idx = staticmethod(idx_bytes)
        csv = staticmethod(csv_bytes)
        json = staticmethod(json_bytes)

        @staticmethod
        def folder(path, train, test, gz=True):
            path.mkdir(parents=True, exist_ok=True)
            for name, array in zip(FILES, (*train, *test), strict=True):
                data = idx_bytes(array)
                (path / (name + ".gz" * gz)).write_bytes(gzip.compress(data, mtime=0) if gz else data)
            return path

    return Make


@pytest.fixture(scope="session")
def refused():
    """Assert that a call raises one DataError line with all of these words; return the line."""
    from benchmarks.errors import DataError

    def check(call, *words):
        with pytest.raises(DataError) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message, f"{word!r} is not in {message!r}"
        return message

    return check


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def small(make, tmp_path, monkeypatch):
    """Four small files that `mnist` and, with other content, `fashion-mnist` are pinned to; no mirror answers."""
    folders = {}
    for seed, name in enumerate(("mnist", "fashion-mnist")):
        folder = make.folder(tmp_path / f"small-{name}", make.digits(10, seed), make.digits(5, seed + 7))
        if seed:  # labels that differ, so that no file is the same in both
            for file, count in ((sources.FILES[1], 10), (sources.FILES[3], 5)):
                (folder / file).write_bytes(gzip.compress(make.idx(np.full(count, 3, dtype=np.uint8))))
        pinned = tuple((sha256(folder / file),) for file in sources.FILES)
        closed = ("http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/")
        origin = dataclasses.replace(sources.ORIGINS[name], sha256=pinned, mirrors=closed, folders=())
        monkeypatch.setitem(sources.ORIGINS, name, origin)
        folders[name] = folder
    return folders
