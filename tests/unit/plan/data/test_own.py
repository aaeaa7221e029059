import gzip

import numpy as np
import pytest

from benchmarks.plan.data.own import load_own


@pytest.mark.parametrize("gz", [False, True])
def test_idx_folder(tmp_path, make, gz):
    train, test = make.digits(10), make.digits(5, 1)
    data = load_own(make.folder(tmp_path / "my digits", train, test, gz))
    assert data.name == f"my digits-{data.sha256[:8]}"
    for read, wanted in zip(data.arrays, (*train, *test), strict=True):
        np.testing.assert_array_equal(read, wanted if wanted.ndim == 1 else wanted[:, None])


@pytest.mark.parametrize("file", ["digits.csv", "digits.csv.gz"])
def test_csv_is_split(tmp_path, make, file):
    content = make.csv(*make.digits(100), header=True)
    (tmp_path / file).write_bytes(gzip.compress(content) if file.endswith("gz") else content)
    data = load_own(tmp_path / file)
    assert data.name == f"digits-{data.sha256[:8]}"
    assert (len(data.train_labels), len(data.test_labels)) == (80, 20)
    assert str(tmp_path) not in data.source


@pytest.mark.parametrize("file", ["mine.json", "mine.json.gz"])
def test_json_keeps_validation_out(tmp_path, make, file):
    content = make.json(make.digits(6), make.digits(2, 1), make.digits(3, 2))
    (tmp_path / file).write_bytes(gzip.compress(content) if file.endswith("gz") else content)
    data = load_own(tmp_path / file)
    assert data.name == f"mine-{data.sha256[:8]}"
    assert (len(data.train_labels), len(data.test_labels)) == (6, 3)


def test_one_content_has_one_checksum_in_every_format(tmp_path, make):
    train, test = make.digits(6), make.digits(3, 2)
    (tmp_path / "a.json").write_bytes(make.json(train, test, test))
    folder = make.folder(tmp_path / "a", train, test)
    assert load_own(folder).sha256 == load_own(tmp_path / "a.json").sha256


@pytest.mark.fault(47)
def test_one_stem_has_a_name_for_each_content(tmp_path, make):
    names = {}
    for place, seed in (("one", 0), ("two", 1), ("copy", 0)):
        names[place] = load_own(make.folder(tmp_path / place / "mnist", make.digits(10, seed), make.digits(5))).name
    assert names["one"] == names["copy"] != names["two"]
    assert all(name.startswith("mnist-") for name in names.values())  # and none is the named set's


def test_counts_that_differ(tmp_path, make, refused):
    folder = make.folder(tmp_path / "a", (make.digits(6)[0], make.digits(5)[1]), make.digits(3))
    refused(lambda: load_own(folder), "6 images and 5 labels")


def test_images_where_labels_belong(tmp_path, make, refused):
    images, labels = make.digits(6)
    refused(lambda: load_own(make.folder(tmp_path / "a", (labels, images), (images, labels))), "(N, H, W)")


def test_too_few_to_test(tmp_path, make, refused):
    (tmp_path / "a.csv").write_bytes(make.csv(*make.digits(40)))
    refused(lambda: load_own(tmp_path / "a.csv"), "dataset too small", "five")


def test_a_missing_file_of_four(tmp_path, make, refused):
    folder = make.folder(tmp_path / "a", make.digits(6), make.digits(3))
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    refused(lambda: load_own(folder), folder, "must hold the four IDX files", "it lacks t10k-labels-idx1-ubyte")


@pytest.mark.parametrize("name", ["mnst", "absent.csv", "absent.json.gz", "a\nb.csv"])
def test_an_unknown_name_lists_the_known(tmp_path, refused, name):
    refused(lambda: load_own(tmp_path / name), "mnist-5k, mnist, fashion-mnist", ".csv")


def test_a_name_that_was_mistyped(tmp_path, refused):
    refused(lambda: load_own(tmp_path / "mnsit"), "did you mean mnist?")


def test_paths_that_lead_nowhere(tmp_path, refused):
    (tmp_path / "loop").symlink_to("loop")
    refused(lambda: load_own(tmp_path / "loop"), "no data set")
    refused(lambda: load_own(tmp_path / ("x" * 300)), "File name too long")
    refused(lambda: load_own(tmp_path), tmp_path, "holds nothing that is read here", "torchvision")
    refused(lambda: load_own(tmp_path / "mnist.npz.gz"), "gunzip it")
