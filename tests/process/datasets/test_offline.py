"""What is said where nothing can be downloaded: a connection is tried."""

import shutil

import pytest

from benchmarks.plan.data.sources import FILES, ORIGINS, load_named


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
