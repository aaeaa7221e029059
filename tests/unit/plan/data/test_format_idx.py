import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.plan.data.readers import read_idx
from tests.unit.conftest import examples

IMAGES = st.tuples(*[st.integers(1, 4)] * 3).flatmap(lambda shape: hnp.arrays(np.uint8, shape))
LABELS = st.integers(1, 50).flatmap(lambda n: hnp.arrays(np.uint8, n, elements=st.integers(0, 255)))


@given(array=IMAGES | LABELS, gz=st.booleans())
@settings(max_examples=examples(40), deadline=None)
def test_round_trip(tmp_path_factory, array, gz):
    path = tmp_path_factory.mktemp("idx") / "file"
    magic = 0x0801 if array.ndim == 1 else 0x0803
    data = struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if gz else data)
    read = read_idx(path)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def header(magic=0x0803, count=2, rows=28, columns=28):
    return struct.pack(">4I", magic, count, rows, columns)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ("offset 0", "4 bytes", "found 0 bytes")),
        (header()[:9], ("offset 8", "found 1 bytes")),
        (header(magic=0x0802) + bytes(2 * 784), ("offset 0", "0x00000803", "found 0x00000802")),
        (header(magic=0x0D03) + bytes(2 * 784), ("offset 0", "found 0x00000d03")),
        (header(rows=0) + bytes(2 * 784), ("offset 8", "expected 1 to 1024 rows", "found 0; images of one size fit")),
        (header(columns=1025), ("offset 12", "expected 1 to 1024 columns", "found 1025; images of one size fit")),
        (header(count=1024, rows=512, columns=513), ("offset 4", "at most 268,435,456 pixels", "give a part of")),
        (header(count=0), ("offset 4", "found 0")),
        (header(count=2**32 - 1) + bytes(784), ("offset 4", "found 4294967295")),
        (header() + bytes(2 * 784 - 1), ("offset 1583", "1568 bytes", "found 1567 bytes")),
        (header() + bytes(2 * 784 + 1), ("offset 1584", "trailing bytes")),
    ],
)
@pytest.mark.fault(14)
@pytest.mark.parametrize("gz", [False, True])
def test_hostile_content(tmp_path, refused, data, words, gz):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(data) if gz else data)
    refused(lambda: read_idx(path), path, "expected", *words)


@pytest.mark.fault(12)
def test_every_truncation_of_a_gz_is_refused(tmp_path, refused, make):
    path = tmp_path / "f.gz"
    whole = gzip.compress(make.idx(make.digits(1)[1]))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(lambda: read_idx(path), path, "offset")


def test_every_flipped_byte_of_the_data_is_refused(tmp_path, refused, make):
    path = tmp_path / "f.gz"
    whole = gzip.compress(make.idx(make.digits(20)[1]))
    for at in range(10, len(whole)):  # the ten bytes before it are the gzip header: time, operating system
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        refused(lambda: read_idx(path), path)


def test_garbage_after_the_gzip_data_is_refused(tmp_path, refused, make):
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(make.idx(make.digits(3)[1])) + b"garbage")
    refused(lambda: read_idx(path), path, "gzip")


def test_what_is_no_file_is_refused(tmp_path, refused):
    refused(lambda: read_idx(tmp_path / "absent"), "no such file")
    refused(lambda: read_idx(tmp_path), "no such file")
    refused(lambda: read_idx(tmp_path / "a\nb"), "a\\nb")
