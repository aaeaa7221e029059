"""Small data sets in every form that people have them in, made of real MNIST, and hostile ones.

`python -m tests.process.datasets.test_forms MNIST` prints what becomes of each, as a table.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
import pickle
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from benchmarks.errors import DataError
from benchmarks.plan.data import every_fifth
from benchmarks.plan.data.own import load_own
from benchmarks.plan.data.readers import read_idx
from tests.unit.plan.data.conftest import FILES, csv_bytes, idx_bytes

TRAIN, TEST = 300, 100
DOTTED = [name.replace("-idx", ".idx") for name in FILES]
EMNIST = [f"emnist-digits-{name.replace('t10k', 'test')}.gz" for name in FILES]


def digits(folder):
    """Return the first images of real MNIST: to train on, to test on."""
    arrays = [read_idx(folder / f"{name}.gz") for name in FILES]
    return (arrays[0][:TRAIN], arrays[1][:TRAIN]), (arrays[2][:TEST], arrays[3][:TEST])


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def idx(folder, train, test, names=FILES):
    for name, array in zip(names, (*train, *test), strict=True):
        content = idx_bytes(array)
        write(folder / name, gzip.compress(content) if name.endswith("gz") else content)
    return folder


def npz(path, train, test, names=("x_train", "y_train", "x_test", "y_test")):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **dict(zip(names, (*train, *test), strict=True)))
    return path


def lines(images, labels, sep=",", value=str, index=False, header=False, label_at=0, names=None):
    names = names or [f"pixel{at}" for at in range(784)]
    rows = [[*names[:label_at], "label", *names[label_at:]]] * header
    for label, image in zip(labels, images.reshape(-1, 784), strict=True):
        fields = [value(pixel) for pixel in image]
        rows.append([*fields[:label_at], str(label), *fields[label_at:]])
    if index:
        rows = [["" if header and at == 0 else str(at - header), *row] for at, row in enumerate(rows)]
    return "".join(sep.join(row) + "\n" for row in rows).encode()


def png(image, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return file.getvalue()


def pictures(folder, images, labels, kind="PNG", name=str):
    for at, (image, label) in enumerate(zip(images, labels, strict=True)):
        write(folder / name(label) / f"{at:05}.{kind.lower()}", png(image, kind))
    return folder


def table(path, images, labels, encode=png):
    cells = [{"bytes": encode(image), "path": f"{at}.png"} for at, image in enumerate(images)]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({"image": cells, "label": pa.array(labels, pa.int64())}), path)
    return path


def kaggle(folder, train, test):
    write(folder / "train.csv", lines(*train, header=True))
    unlabelled = [line.partition(b",")[2] for line in lines(*test, header=True).splitlines()]
    write(folder / "test.csv", b"\n".join(unlabelled))
    write(folder / "sample_submission.csv", b"ImageId,Label\n1,0\n")
    return folder


def both(train, test):
    return np.concatenate([train[0], test[0]]), np.concatenate([train[1], test[1]])


def turned(part):
    return part[0].transpose(0, 2, 1), part[1]


def sparse(folder, train, test):
    idx(folder, train, test)
    os.truncate(folder / FILES[0], 40 * 10**9)
    return folder


def linked(folder, train, test):
    idx(folder, train, test)
    (folder / FILES[0]).unlink()
    (folder / FILES[0]).symlink_to("/dev/zero")
    return folder


def spoiled(folder, train, test, name, content):
    idx(folder, train, test, [f"{file}.gz" for file in FILES])
    write(folder / name, content)
    return folder


def claims(path, shape, size=1000):
    """Write an .npz whose x_train claims a shape and has fewer bytes."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", member.getvalue() + bytes(size))
    return path


# Each takes a folder, what is to train on and what to test on, writes, and returns the path that a person would give.
TWO_PARTS = {  # they say themselves what is to test on
    "Keras's mnist.npz": lambda at, a, b: npz(at / "mnist.npz", a, b),
    "MedMNIST's .npz, floats 0..1, labels (N, 1)": lambda at, a, b: npz(
        at / "x.npz", (a[0] / 255, a[1][:, None]), (b[0] / 255, b[1][:, None]),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ),
    "a torchvision root": lambda at, a, b: idx(at / "MNIST" / "raw", a, b).parents[1],
    "IDX, names with dots": lambda at, a, b: idx(at, a, b, DOTTED),
    "IDX, EMNIST's names": lambda at, a, b: idx(at, a, b, EMNIST),
    "two CSVs in a folder": lambda at, a, b: (
        write(at / "mnist_train.csv", csv_bytes(*a)), write(at / "mnist_test.csv", csv_bytes(*b)),
    )[0].parent,
    "PNG in train/ and test/": lambda at, a, b: (
        pictures(at / "train", *a), pictures(at / "test", *b),
    )[0].parent,
    "Parquet of Hugging Face, two files": lambda at, a, b: (
        table(at / "data" / "train-00000-of-00001.parquet", *a),
        table(at / "data" / "test-00000-of-00001.parquet", *b),
    )[0].parents[1],
}  # fmt: skip
ONE_LIST = {  # split by every_fifth
    "Kaggle's train.csv": lambda at, a: write(at / "train.csv", lines(*a, header=True)),
    "Kaggle's folder, test.csv without labels": lambda at, a: kaggle(at, a, a),
    "CSV of pandas, with an index": lambda at, a: write(at / "d.csv", lines(*a, index=True, header=True)),
    "CSV of pandas, default names": lambda at, a: write(
        at / "d.csv", lines(*a, header=True, names=[str(n) for n in range(784)])
    ),
    "CSV, index without header": lambda at, a: write(at / "d.csv", lines(*a, index=True)),
    "CSV, semicolons": lambda at, a: write(at / "d.csv", lines(*a, sep=";")),
    "CSV, semicolons and decimal commas": lambda at, a: write(
        at / "d.csv", lines(*a, sep=";", value=lambda v: f"{v / 255:.6f}".replace(".", ","))
    ),
    "CSV, blanks after commas": lambda at, a: write(at / "d.csv", lines(*a, sep=", ", header=True)),
    "CSV, a blank line at the end": lambda at, a: write(at / "d.csv", lines(*a) + b"\n"),
    "CSV, floats 0..1": lambda at, a: write(at / "d.csv", lines(*a, value=lambda v: repr(float(v / 255)))),
    "a .CSV, floats 0.0..255.0": lambda at, a: write(at / "D.CSV", lines(*a, value=lambda v: f"{v}.0")),
    "CSV, label in the middle, named": lambda at, a: write(at / "d.csv", lines(*a, header=True, label_at=1)),
    "CSV, label last": lambda at, a: write(at / "d.csv.gz", gzip.compress(lines(*a, label_at=784))),
    "PNG, a folder for each class": lambda at, a: pictures(at, *sorted_by_class(a)),
    "Parquet, one file": lambda at, a: table(at / "d.parquet", *a),
}


def sorted_by_class(part):
    order = np.argsort(part[1], kind="stable")
    return part[0][order], part[1][order]


PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
BOMB = png(np.zeros((10_000, 10_000), bool))
REFUSED = {  # with words of the line that refuses
    "CSV, label in the middle, no header": (
        lambda at, a, b: write(at / "d.csv", lines(*a, label_at=1)),
        ("columns 1 and 785", "column 2 looks like them", "call the column of labels `label` in a header"),
    ),
    "Kaggle's test.csv": (lambda at, a, b: kaggle(at, a, b) / "test.csv", ("no labels, but 784 columns of pixels",)),
    "CSV, a word among the numbers": (
        lambda at, a, b: write(at / "d.csv", lines(*a) + b"7," + b"0," * 782 + b"x72,0\n"),
        (f"row {TRAIN + 1}, column 784: expected a number 0-255 or 0..1, found x72",),
    ),
    "CSV, pixels with their mean taken off": (
        lambda at, a, b: write(at / "d.csv", lines(*a, value=lambda v: f"{v / 255 - 0.1307:.4f}")),
        ("row 1, column 2: expected a number 0-255 or 0..1, found -0.1307; give the pixels as they were",),
    ),
    "an HTML page saved as .gz": (
        lambda at, a, b: spoiled(at, a, b, f"{FILES[0]}.gz", PAGE), (f"{FILES[0]}.gz is no data set but an HTML page",),
    ),
    "a pickle": (
        lambda at, a, b: write(at / "mnist.pkl.gz", gzip.compress(pickle.dumps((a, b)))),
        ("mnist.pkl.gz is no data set but a pickle",),
    ),
    "a pickle in an .npz": (
        lambda at, a, b: npz(at / "d.npz", (np.array([None] * 3), a[1]), b),
        ("x_train: expected numbers, found Python objects",),
    ),
    "an .npz that claims 10^12 images": (
        lambda at, a, b: claims(at / "d.npz", (10**12, 28, 28)), ("x_train: expected images (N, H, W)",),
    ),
    "an .npz cut short": (
        lambda at, a, b: claims(at / "d.npz", (250_000, 28, 28)), ("d.npz: damaged or cut short",),
    ),
    "an IDX file of 40 GB": (sparse, (f"{FILES[0]}, offset 235216: expected the end of the data",)),
    "a link to /dev/zero": (linked, ("it lacks train-images-idx3-ubyte",)),
    "a PNG of 100 megapixels": (
        lambda at, a, b: write(pictures(at, *a) / "7" / "bomb.png", BOMB).parents[1],
        ("7/bomb.png, its pixels: 10000x10000 pixels: more than 1 megapixels",),
    ),
    "one picture of 32x32": (
        lambda at, a, b: write(pictures(at, *a) / "7" / "z.png", png(np.pad(a[0][0], 2))).parents[1],
        ("z.png, its pixels: expected 28x28 as the first picture has, found 32x32",),
    ),
    "colours to train on, grey to test on": (
        lambda at, a, b: npz(at / "d.npz", (np.zeros((9, 32, 32, 3), np.uint8), a[1][:9]), b),
        ("expected images of one size, found 3x32x32 to train on and 1x28x28 to test on",),
    ),
    "one class alone": (lambda at, a, b: idx(at, (a[0], 0 * a[1]), (b[0], 0 * b[1])), ("all its labels are 0",)),
    "two sets in a folder": (
        lambda at, a, b: (idx(at, a, b, EMNIST), idx(at, a, b))[0],
        ("holds several data sets: emnist-digits-train-images, train-images;",),
    ),
    "Parquet without labels": (
        lambda at, a, b: (parquet.write_table(pa.table({"image": [b"x"]}), at / "d.parquet"), at / "d.parquet")[1],
        ("its columns: expected one of picture bytes and one of labels",),
    ),
}  # fmt: skip
WARNED = {  # with words of a note
    "transposed, as EMNIST is": (lambda at, a, b: idx(at, turned(a), turned(b)), "looks transposed beside mnist-5k"),
    "dark on light": (lambda at, a, b: idx(at, (255 - a[0], a[1]), (255 - b[0], b[1])), "looks inverted"),
    "test images among those to train on": (lambda at, a, b: idx(at, both(a, b), b), "100 of 100 test images are also"),
    "scikit-learn's 0 to 16": (
        lambda at, a, b: npz(at / "d.npz", (a[0] // 16, a[1]), (b[0] // 16, b[1])),
        "has no pixel above 15, and 255 is white; images * (255 / 15) of NumPy",
    ),
    "a class that is not there": (
        lambda at, a, b: idx(at, (a[0][a[1] != 3], a[1][a[1] != 3]), b), "no image of 3 to train on",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def real(mnist_folder):
    return digits(mnist_folder)


def same(found, wanted):
    for read, array in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(read, array if array.ndim == 1 else array[:, None])
        assert read.dtype == np.uint8


@pytest.mark.mnist
@pytest.mark.parametrize("form", TWO_PARTS)
def test_a_form_that_says_what_is_to_test_on(tmp_path, real, form):
    data = load_own(TWO_PARTS[form](tmp_path, *real))
    wanted = [sorted_by_class(part) for part in real] if "PNG" in form else real
    same(data.arrays, itertools.chain(*wanted))
    assert f"{TRAIN} of {TRAIN + TEST} images to train on, {TEST} to test on, as the files have them" in data.notes[0]
    assert len(data.notes) == 1


@pytest.mark.mnist
@pytest.mark.parametrize("form", ONE_LIST)
def test_a_form_that_is_split(tmp_path, real, form):
    data = load_own(ONE_LIST[form](tmp_path, real[0]))
    same(data.arrays, every_fifth(*(sorted_by_class(real[0]) if "PNG" in form else real[0])))
    assert f" of {TRAIN} images to train on" in data.notes[0]
    assert "every fifth of each class" in data.notes[0]
    assert len(data.notes) == 1


@pytest.mark.mnist
@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_data_set_is_one_line(tmp_path, real, refused, form):
    make, words = REFUSED[form]
    path = make(tmp_path, *real)
    refused(lambda: load_own(path), tmp_path, *words)


@pytest.mark.mnist
@pytest.mark.parametrize("form", WARNED)
def test_what_looks_wrong_is_said(tmp_path, real, form):
    make, words = WARNED[form]
    assert words in "\n".join(load_own(make(tmp_path, *real)).notes)


@pytest.mark.mnist
def test_what_is_left_out_is_said(tmp_path, real):
    assert "row 1 is a header" in load_own(ONE_LIST["Kaggle's train.csv"](tmp_path / "a", real[0])).notes[0]
    said = load_own(ONE_LIST["CSV of pandas, with an index"](tmp_path / "b", real[0])).notes[0]
    assert "column 1 has row numbers and is left out" in said
    said = load_own(kaggle(tmp_path / "c", *real)).notes[0]
    assert "sample_submission.csv is left out; test.csv has no labels and is left out" in said


@pytest.mark.mnist
def test_jpeg_is_read_as_pillow_reads_it(tmp_path, real):
    data = load_own(pictures(tmp_path, *real[0], kind="JPEG"))
    assert len(data.train_labels) + len(data.test_labels) == TRAIN
    wanted = every_fifth(*sorted_by_class(real[0]))
    assert np.abs(data.train_images[:, 0].astype(int) - wanted[0]).mean() < 3  # levels of 255: JPEG loses some
    np.testing.assert_array_equal(data.train_labels, wanted[1])


@pytest.mark.mnist
def test_classes_with_names_are_numbered_in_their_order(tmp_path, real):
    data = load_own(pictures(tmp_path, *real[0], name=lambda label: "zero" if label == 0 else f"a{label}"))
    assert "labels are 0 = a1, 1 = a2" in data.notes[0]
    assert np.bincount(data.train_labels)[9] == np.bincount(every_fifth(*real[0])[1])[0]


def main():
    """Print for each form whether it is accepted, or the line that refuses it."""
    train, test = digits(Path(sys.argv[1]))
    sets = TWO_PARTS | {form: lambda at, a, b, make=make: make(at, a) for form, make in ONE_LIST.items()}
    sets |= {form: make for form, (make, _) in {**WARNED, **REFUSED}.items()}
    for form, make in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = "accepted: " + "\n  ".join(load_own(make(Path(folder), train, test)).notes)
            except DataError as error:
                said = f"refused: {error}"
            print(f"{form}\n  {said.replace(folder, '')}")


if __name__ == "__main__":
    main()
