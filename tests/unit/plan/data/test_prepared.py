import numpy as np
import pytest

from benchmarks import files
from benchmarks.plan.data import ARRAY_NAMES
from benchmarks.plan.data.prepared import Prepared, prepare
from benchmarks.plan.data.sources import NAMES


@pytest.fixture
def own(tmp_path, make):
    return make.folder(tmp_path / "own digits é", make.digits(10), make.digits(5, 1))


def arrays(folder):
    return [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAY_NAMES]


def test_names():
    assert NAMES == ("mnist-5k", "mnist", "fashion-mnist")


def test_four_files_that_a_worker_can_map(tmp_path, own, make):
    found = prepare(str(own), None, tmp_path / "cache")
    said, shape, classes = "the user's own IDX files", (1, 28, 28), 10
    assert found == Prepared(found.name, found.sha256, found.folder, 10, 5, said, shape, classes, (), found.notes)
    assert "10 of 15 images to train on, 5 to test on" in found.notes[0]
    assert found.name == f"own digits é-{found.sha256[:8]}"
    assert found.folder == tmp_path / "cache" / "arrays" / found.sha256[:16]
    for read, wanted in zip(arrays(found.folder), (*make.digits(10), *make.digits(5, 1)), strict=True):
        np.testing.assert_array_equal(read, wanted if wanted.ndim == 1 else wanted[:, None])
        assert read.dtype == np.uint8
    assert sorted(path.name for path in found.folder.parent.iterdir())[0] == found.sha256[:16]
    assert not list(found.folder.parent.glob("*.tmp"))


def test_the_folder_is_reused(tmp_path, own):
    first = prepare(str(own), None, tmp_path)
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(first.folder.iterdir())]
    assert prepare(str(own), None, tmp_path) == first
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(first.folder.iterdir())] == before


@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "header", "shape", "dtype", "content", "pickle"])
def test_a_damaged_folder_is_written_again(tmp_path, own, make, damage):
    folder = prepare(str(own), None, tmp_path).folder
    path = folder / "train_labels.npy"
    match damage:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(path.read_bytes()[:-3])
        case "empty":
            path.write_bytes(b"")
        case "header":
            path.write_bytes(b"nonsense" * 100)
        case "shape":
            np.save(path, np.zeros(9, dtype=np.uint8))
        case "dtype":
            np.save(path, make.digits(10)[1].astype(np.int64))
        case "content":
            np.save(path, make.digits(10)[1][::-1])
        case "pickle":
            np.save(path, np.array([None] * 10), allow_pickle=True)
    (folder.with_name(folder.name + ".tmp")).mkdir()  # what a crash leaves behind
    assert prepare(str(own), None, tmp_path).folder == folder
    np.testing.assert_array_equal(arrays(folder)[1], make.digits(10)[1])
    assert arrays(folder)[1].dtype == np.uint8
    assert not list(folder.parent.glob("*.tmp"))


def test_the_cache_follows_the_environment(tmp_path, own, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "elsewhere"))
    assert prepare(str(own)).folder.parent == tmp_path / "elsewhere" / "arrays"
    monkeypatch.delenv("LOCKSTEP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.default_cache() == tmp_path / "xdg" / "lockstep"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unusable in ("", "relative"):  # the specification has a relative path ignored
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert files.default_cache() == tmp_path / ".cache" / "lockstep"


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, own, refused):
    (tmp_path / "file").touch()
    refused(lambda: prepare(str(own), None, tmp_path / "file"), "cannot write", "LOCKSTEP_CACHE", tmp_path / "file")


def test_nothing_is_written_for_a_corrupt_set(tmp_path, own, refused):
    path = own / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    refused(lambda: prepare(str(own), None, tmp_path / "cache"), path)
    assert not (tmp_path / "cache").exists()
