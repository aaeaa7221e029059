import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plan.data import readers
from benchmarks.plan.data.readers import read_csv
from tests.unit.conftest import examples


@pytest.mark.fault(17)
@given(
    count=st.integers(1, 5),
    seed=st.integers(0, 99),
    last=st.booleans(),
    header=st.booleans(),
    quote=st.sampled_from(["", '"']),
    newline=st.sampled_from(["\n", "\r\n"]),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    final=st.booleans(),
    gz=st.booleans(),
)
@settings(max_examples=examples(60), deadline=None)
def test_round_trip(tmp_path_factory, make, count, seed, last, header, quote, newline, bom, final, gz):
    images, labels = make.digits(count, seed)
    data = bom + make.csv(images, labels, last, header, quote, newline)
    data = data if final else data.rstrip(b"\r\n")
    path = tmp_path_factory.mktemp("csv") / "file"
    path.write_bytes(gzip.compress(data) if gz else data)
    read_images, read_labels = read_csv(path, "last" if last else "first")
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels)
    assert read_images.dtype == read_labels.dtype == np.uint8


ROW = ["7"] + ["0"] * 784


def with_field(column, text):
    row = list(ROW)
    row[column - 1] = text
    return ",".join(row)


GOOD = ",".join(ROW)


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        (with_field(1, "10"), 1, "10"),
        (with_field(5, "256"), 5, "256"),
        (with_field(5, "-1"), 5, "-1"),
        (with_field(5, "1.5"), 5, "1.5"),
        (with_field(785, "nan"), 785, "nan"),
        (with_field(3, ""), 3, "b''"),
        (with_field(3, " 7"), 3, "7"),
        (with_field(3, "1_0"), 3, "1_0"),
        (with_field(3, "007"), 3, "007"),
        (with_field(3, "٣"), 3, "xd9"),
        (with_field(3, '"7'), 3, '"7'),
        (with_field(3, '"7""8"'), 3, '"7""8"'),
        (with_field(3, "\0"), 3, "x00"),
        (",".join(ROW[:-1]), 785, "found 784"),
        (",".join([*ROW, "0"]), 786, "found 786"),
        ("", 2, "found 1"),
        (GOOD + "\r", 785, "r"),
        ("<!DOCTYPE html>", 2, "found 1"),
        (with_field(4, "7" * 10_000_000), 4, "a longer one"),
        (with_field(4, '"' + "\n" * 10 + '"'), 5, "found 4"),
    ],
)
@pytest.mark.fault(17)
@pytest.mark.parametrize("header", [False, True])
def test_row_and_column_are_named(tmp_path, refused, row, column, found, header):
    head = ",".join(["label", *map(str, range(784))])
    lines = [head] * header + [GOOD, GOOD, row, GOOD]
    path = tmp_path / "digits.csv"
    path.write_bytes("\r\n".join(lines).encode())
    refused(lambda: read_csv(path), path, f"row {3 + header}, column {column}:", found)


def test_a_bad_first_row_is_not_taken_for_a_header(tmp_path, refused):
    path = tmp_path / "digits.csv"
    path.write_text(with_field(1, "x") + "\n" + GOOD)
    refused(lambda: read_csv(path), "row 1, column 1:")


@pytest.mark.parametrize(
    "data", [b"", b"\xef\xbb\xbf", ",".join(["label", *("p" * 784)]).encode(), GOOD.encode("utf-16")]
)
def test_no_rows(tmp_path, refused, data):
    path = tmp_path / "digits.csv"
    path.write_bytes(data)
    refused(lambda: read_csv(path), path, "row 1")


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_auto_finds_the_label(tmp_path, make, header, last):
    images, labels = make.digits(20)
    images[:, 0, 0] = images[:, -1, -1] = 0  # as in MNIST, whose corners are black
    path = tmp_path / "digits.csv"
    path.write_bytes(make.csv(images, labels, last, header))
    read_images, read_labels = read_csv(path, "auto")
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(read_images, images)


def test_more_images_than_the_bound(tmp_path, make, refused, monkeypatch):
    path = tmp_path / "digits.csv"
    path.write_bytes(make.csv(*make.digits(3)))
    monkeypatch.setattr(readers, "MAX_IMAGES", 3)
    assert len(read_csv(path)[1]) == 3
    monkeypatch.setattr(readers, "MAX_IMAGES", 2)
    refused(lambda: read_csv(path), "row 3", "at most 2 images")
