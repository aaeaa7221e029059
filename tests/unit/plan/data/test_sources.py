import dataclasses
import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan.data import sources
from benchmarks.plan.data.sources import FILES, ORIGINS, load_named
from tests.unit.plan.data.conftest import sha256


def test_mnist_5k_is_balanced():
    data = load_named("mnist-5k", None, Path("unused"))
    assert np.bincount(data.train_labels).tolist() == [400] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert data.train_images.shape == (4000, 1, 28, 28)
    assert data.test_images.max() == 255
    assert data.train_images[:, 0, 0].max() == 0  # a corner: the labels were not taken for pixels


def test_mnist_5k_that_was_changed_is_refused(monkeypatch, refused):
    monkeypatch.setattr(sources, "MNIST_5K_SHA256", "0" * 64)
    refused(lambda: load_named("mnist-5k", None, Path("unused")), "dataset corrupt", "mnist_5k.csv.gz", "0" * 64)


@pytest.mark.mnist
def test_the_real_mnist(mnist_folder, tmp_path):
    data = load_named("mnist", mnist_folder, tmp_path)
    assert data.train_images.shape == (60000, 1, 28, 28)
    assert data.test_images.shape == (10000, 1, 28, 28)
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.train_images.mean()) / 255, 4) == 0.1307  # the mean that tutorials subtract


def test_every_pin_is_a_sha256_and_used_once():
    pins = [pin for origin in ORIGINS.values() for accepted in origin.sha256 for pin in accepted]
    assert all(re.fullmatch("[0-9a-f]{64}", pin) for pin in pins)
    assert len(set(pins)) == len(pins) == 12
    assert all(len(origin.sha256) == len(FILES) for origin in ORIGINS.values())


def test_data_dir_comes_before_the_environment(small, monkeypatch, tmp_path):
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "absent"))
    assert len(load_named("mnist", small["mnist"], tmp_path).train_labels) == 10
    monkeypatch.setenv("LOCKSTEP_DATA", str(small["mnist"]))
    assert len(load_named("mnist", None, tmp_path).train_labels) == 10


def test_a_given_folder_that_lacks_files_is_never_filled_by_a_download(small, monkeypatch, tmp_path, refused):
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("downloaded"))
    cached = tmp_path / "cache" / "downloads" / "mnist"
    shutil.copytree(small["mnist"], cached)
    (small["mnist"] / FILES[2]).unlink()
    pin = ORIGINS["mnist"].sha256[2][0]
    line = refused(lambda: load_named("mnist", small["mnist"], tmp_path / "cache"), small["mnist"], FILES[2], pin)
    assert FILES[0] not in line
    monkeypatch.setenv("LOCKSTEP_DATA", str(small["mnist"]))
    refused(lambda: load_named("mnist", None, tmp_path / "cache"), small["mnist"], FILES[2], pin, "--data-dir")


def test_one_folder_can_hold_both(small, tmp_path, refused):
    both = small["mnist"]
    line = refused(lambda: load_named("fashion-mnist", both, tmp_path), "not the file of fashion-mnist", "of mnist")
    assert "corrupt" not in line
    shutil.copytree(small["fashion-mnist"], both / "fashion-mnist")
    assert set(load_named("fashion-mnist", both, tmp_path).train_labels) == {3}
    assert len(set(load_named("mnist", both, tmp_path).train_labels)) == 10


@pytest.mark.fault(12)
@pytest.mark.parametrize("where", ["data-dir", "cache", "installed"])
def test_a_corrupt_file_is_refused_with_both_checksums(small, monkeypatch, tmp_path, refused, where):
    folder = small["mnist"]
    path = folder / FILES[1]
    path.write_bytes(path.read_bytes()[:-9])
    data_dir = folder if where == "data-dir" else None
    if where == "cache":
        folder = shutil.copytree(folder, tmp_path / "cache" / "downloads" / "mnist")
    if where == "installed":
        monkeypatch.setitem(ORIGINS, "mnist", dataclasses.replace(ORIGINS["mnist"], folders=(folder,)))
    words = ("dataset corrupt", folder / FILES[1], f"expected sha256 {ORIGINS['mnist'].sha256[1][0]}")
    words += (f"found sha256 {sha256(path)}", "replace the file or pass --data-dir")
    refused(lambda: load_named("mnist", data_dir, tmp_path / "cache"), *words)


@pytest.mark.fault(16)
def test_shuffled_labels_of_the_right_shape_are_refused(small, make, tmp_path, refused):
    (small["mnist"] / FILES[1]).write_bytes(gzip.compress(make.idx(make.digits(10)[1][::-1].copy())))
    refused(lambda: load_named("mnist", small["mnist"], tmp_path), "dataset corrupt", FILES[1])


def test_the_cache_and_then_the_installed_folder_are_used(small, monkeypatch, tmp_path):
    origin = dataclasses.replace(ORIGINS["mnist"], folders=(small["mnist"],))
    monkeypatch.setitem(ORIGINS, "mnist", origin)
    assert sources._find_folder("mnist", origin, None, tmp_path) == small["mnist"]
    cached = tmp_path / "downloads" / "mnist"
    shutil.copytree(small["mnist"], cached)
    assert sources._find_folder("mnist", origin, None, tmp_path) == cached
