"""Data that is not what it should be: refused before any cell starts, so no results file is made."""

from __future__ import annotations

import gzip
import re
import shutil
import struct

import numpy as np
import pytest

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 28, 28), dtype=np.uint8)


def zipped(array, magic=None):
    magic = magic or (0x0801 if array.ndim == 1 else 0x0803)
    return gzip.compress(struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes(), mtime=0)


@pytest.fixture
def folder(tmp_path):
    """The user's own digits, which are noise; each test spoils a file."""
    path = tmp_path / "own"
    path.mkdir()
    labels = (np.arange(300) % 10).astype(np.uint8)
    for name, array in zip(FILES, (IMAGES, labels, IMAGES[:200], labels[:200]), strict=True):
        (path / name).write_bytes(zipped(array))
    return path


def refused(start, tmp_path, *arguments, **variables):
    process = start("--framework", "fake-fake", "--seeds", "1", *arguments, **variables)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, out + err
    assert not (tmp_path / "results").exists()
    return err


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        pytest.param(0, lambda old: old[:-100], "more gzip data, found the end", marks=pytest.mark.fault(12)),
        pytest.param(0, lambda _: zipped(IMAGES, 0x0D03), "offset 0: expected magic", marks=pytest.mark.fault(14)),
        pytest.param(1, lambda _: zipped(np.zeros(299, np.uint8)), "300 images and 299", marks=pytest.mark.fault(15)),
    ],
)
def test_nothing_trains_on_a_corrupt_set_of_the_user_s_own(start, tmp_path, folder, file, spoil, words):
    path = folder / FILES[file]
    path.write_bytes(spoil(path.read_bytes()))
    said = refused(start, tmp_path, "--dataset", str(folder))
    assert re.search("^dataset (corrupt|does not fit): ", said)
    assert words in said


@pytest.mark.fault(15)
def test_a_label_of_a_class_that_the_network_has_no_output_for(start, tmp_path, folder):
    labels = np.arange(300, dtype=np.uint8) % 10
    labels[7] = 10
    (folder / FILES[1]).write_bytes(zipped(labels))
    said = refused(start, tmp_path, "--model", "mlp", "--dataset", str(folder))
    assert re.search("^model 'mlp' has 10 outputs, data set 'own-.*' has 11 classes", said, re.MULTILINE)


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        pytest.param(0, lambda old: old[:-100], marks=pytest.mark.fault(12)),
        pytest.param(
            1,
            lambda old: zipped(np.random.default_rng(0).permutation(np.frombuffer(gzip.decompress(old)[8:], np.uint8))),
            marks=pytest.mark.fault(16),
        ),
    ],
)
def test_nothing_trains_on_mnist_with_a_changed_file(start, tmp_path, mnist_folder, file, spoil):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(mnist_folder / name, folder / name)  # not its mode, which may forbid to write
    (folder / FILES[file]).write_bytes(spoil((folder / FILES[file]).read_bytes()))
    said = refused(start, tmp_path, "--dataset", "mnist", "--data-dir", str(folder))
    assert f"dataset corrupt: {folder / FILES[file]}, expected sha256 " in said


@pytest.mark.fault(16)
def test_own_data_whose_labels_say_nothing_end_with_a_warning(sweep, tmp_path):
    """Shuffled labels of the user's own have no checksum to miss; that nothing can be learnt from them shows."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "own"
    folder.mkdir()
    for images_file, labels_file, count in ((*FILES[:2], 1000), (*FILES[2:], 500)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.zeros((count, 28, 28), np.uint8)
        images[np.arange(count), labels] = 255  # a line whose height told the digit
        (folder / images_file).write_bytes(zipped(images))
        (folder / labels_file).write_bytes(zipped(generator.permutation(labels)))
    code, said, rows = sweep("--framework", "fake-fake", "--dataset", str(folder), "--rounds", "0", "--seeds", "1")
    assert code == 0, said
    assert [row["task"] for row in rows] == ["accuracy"]
    assert re.search(r"warning: own-[0-9a-f]{8}: no launch read more images right than chance", said)
