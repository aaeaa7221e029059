"""What is said where nothing can be downloaded: a connection is tried."""

import dataclasses
import gzip
import hashlib
import shutil

import numpy as np
import pytest

from benchmarks.plan.data.sources import FILES, ORIGINS, load_named


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def small(make, tmp_path, monkeypatch):
    """Four small files that `mnist` and, with other content, `fashion-mnist` are pinned to; no mirror answers."""
    folders = {}
    for seed, name in enumerate(("mnist", "fashion-mnist")):
        folder = make.folder(tmp_path / f"small-{name}", make.digits(10, seed), make.digits(5, seed + 7))
        if seed:  # labels that differ, so that no file is the same in both
            for file, count in ((FILES[1], 10), (FILES[3], 5)):
                (folder / file).write_bytes(gzip.compress(make.idx(np.full(count, 3, dtype=np.uint8))))
        pinned = tuple((sha256(folder / file),) for file in FILES)
        closed = ("http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/")
        origin = dataclasses.replace(ORIGINS[name], sha256=pinned, mirrors=closed, folders=())
        monkeypatch.setitem(ORIGINS, name, origin)
        folders[name] = folder
    return folders


@pytest.mark.fault(32)
def test_offline_names_files_checksums_and_folder(small, tmp_path, refused):
    files = [word for pair in zip(FILES, ORIGINS["mnist"].sha256, strict=True) for word in (pair[0], pair[1][0])]
    folder = tmp_path / "downloads" / "mnist"
    words = ("cannot download mnist", "127.0.0.1:9/a/", "127.0.0.1:9/b/", *files, folder, "--data-dir")
    refused(lambda: load_named("mnist", None, tmp_path), *words)
    shutil.copytree(small["mnist"], folder, dirs_exist_ok=True)  # what the line says to do
    assert len(load_named("mnist", None, tmp_path).train_labels) == 10


def test_offline_names_only_what_is_missing(small, tmp_path, refused):
    folder = tmp_path / "downloads" / "mnist"
    folder.mkdir(parents=True)
    for file in FILES[:3]:
        shutil.copy(small["mnist"] / file, folder)
    line = refused(lambda: load_named("mnist", None, tmp_path), FILES[3])
    assert not any(file in line for file in FILES[:3])
