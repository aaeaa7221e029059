"""Parquet files, read by a process of their own: damaged ones, which may end it, and columns that are no digits."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from benchmarks.errors import DataError
from benchmarks.plan.data import parquet_file
from benchmarks.plan.data.parquet_file import read_parquet


def picture(side=28):
    file = io.BytesIO()
    Image.fromarray(np.eye(side, dtype=np.uint8) * 255).save(file, "PNG")
    return file.getvalue()


def write(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


CELLS = [{"bytes": picture(), "path": "0.png"}] * 3


@pytest.mark.parametrize(
    "damage", [*((at, 2) for at in (496, 510, 522, 539)), *((at, 255) for at in (30, 480, 1200)), (1424, 16)], ids=str
)  # with pyarrow 26 the first four end the process (SIGABRT): lengths of histograms in the footer
def test_a_damaged_file_is_an_error_of_the_file(tmp_path, damage):
    path = write(tmp_path / "d.parquet", image=CELLS, label=[0, 1, 9])
    content = bytearray(path.read_bytes())
    content[damage[0]] ^= damage[1]
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_parquet(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("cut", [4, 100, 1300])
def test_a_file_cut_short(tmp_path, refused, cut):
    path = write(tmp_path / "d.parquet", image=CELLS, label=[0, 1, 9])
    path.write_bytes(path.read_bytes()[:cut])
    refused(lambda: read_parquet(path), path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": CELLS, "label": [0, 1000, 1]}, "row 2: expected a label 0-999, found 1000; images of one"),
        ({"image": CELLS, "label": [0, 1, None]}, "row 3: expected a label 0-999, found nothing"),
        ({"image": [picture(), b"", picture()], "label": [0, 1, 2]}, "row 2: an empty file"),
        (
            {"image": [picture(), picture(32), b""], "label": [0, 1, 2]},
            "row 2: expected 28x28 as the first picture has, found 32x32",
        ),
        ({"image": [picture()], "label": ["seven"]}, "found image (binary), label (string)"),
        ({"pixels": [[1, 2]], "label": [1]}, "expected one of picture bytes and one of labels"),
        ({"image": [], "label": []}, "its columns"),
    ],
)
def test_what_are_no_digits(tmp_path, refused, columns, words):
    refused(lambda: read_parquet(write(tmp_path / "d.parquet", **columns)), words)


def test_colours_and_many_classes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    cells = []
    for image in pixels:
        Image.fromarray(image).save(file := io.BytesIO(), "PNG")
        cells.append({"bytes": file.getvalue(), "path": ""})
    found = read_parquet(write(tmp_path / "d.parquet", image=cells, label=[0, 999, 256]))
    np.testing.assert_array_equal(found.images, pixels.transpose(0, 3, 1, 2))
    assert found.labels.tolist() == [0, 999, 256]


def test_other_columns_are_said(tmp_path):
    found = read_parquet(write(tmp_path / "d.parquet", image=CELLS, label=[0, 1, 9], id=[5, 6, 7], writer=["a"] * 3))
    assert found.labels.tolist() == [0, 1, 9]
    assert found.remarks == ("id, writer left out",)


@pytest.mark.parametrize("name", ["MAX_PARQUET_BYTES", "MAX_FOOTER_BYTES"])
def test_a_file_larger_than_one_of_digits(tmp_path, refused, monkeypatch, name):
    path = write(tmp_path / "d.parquet", image=CELLS, label=[0, 1, 9])
    monkeypatch.setattr(parquet_file, name, 100)
    refused(lambda: read_parquet(path), path, "expected at most")


def test_what_the_footer_promises_is_bounded(tmp_path, refused, monkeypatch):
    path = write(tmp_path / "d.parquet", image=[{"bytes": bytes(10_000), "path": ""}] * 3, label=[0, 1, 9])
    monkeypatch.setattr(parquet_file, "MAX_PARQUET_BYTES", 5_000)
    refused(lambda: parquet_file._read(path), "its footer: expected at most 5,000 bytes of pictures and labels")
    monkeypatch.setattr(parquet_file, "MAX_IMAGES", 2)
    refused(lambda: parquet_file._read(path), "its footer: expected 1 to 2 rows, found 3")
