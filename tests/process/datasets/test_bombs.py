"""Small files that grow large are refused by a process whose memory is bounded."""

import gzip
import io
import struct
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from benchmarks.plan.data import readers


def header(magic=0x0803, count=2, rows=28, columns=28):
    return struct.pack(">4I", magic, count, rows, columns)


BOMB = textwrap.dedent("""
    import sys
    from pathlib import Path
    from benchmarks.plan.data.readers import read_idx, read_json, read_npz
    from benchmarks.plan.data.csv_file import read_csv
    from benchmarks.errors import DataError
    from benchmarks.worker.__main__ import _peak_rss_bytes
    def read(path):
        try:
            {"idx": read_idx, "csv": read_csv, "json": read_json, "npz": read_npz}[sys.argv[1]](path)
        except DataError as error:
            return error
    small = Path(sys.argv[2] + ".small")
    small.write_bytes(b"7," * 784 + b"7\\n" + b"x," * 784 + b"1\\n")
    read(small)  # loads what the reader needs
    before = _peak_rss_bytes()
    print(read(Path(sys.argv[2])))
    print(_peak_rss_bytes() - before)
""")


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    ("reader", "start", "fill", "words"),
    [
        ("idx", header(count=3), b"\0", "trailing bytes"),
        ("idx", header(count=2**32 - 1), b"\0", "found 4294967295"),
        ("idx", header(count=readers.MAX_IMAGES), b"", "found 0 bytes"),
        ("csv", b"", b"7", "a longer one"),
        ("csv", b"", b"7,", "a longer one"),
        ("csv", b"", b"\n", "row 1"),
        ("json", b"", b" ", "a longer one"),
        ("json", b"[[[[", b"0", "a longer one"),
        ("json", b"", b"[", "a longer one"),
    ],
)
def test_a_gz_bomb_is_refused_in_bounded_memory(tmp_path, reader, start, fill, words):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as bomb:
        bomb.write(start)
        for _ in range(300 if fill else 0):
            bomb.write(fill * (2**20 // len(fill)))
    refused_in_bounded_memory(reader, path, words)


def refused_in_bounded_memory(reader, path, words):
    command = [sys.executable, "-c", BOMB, reader, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    line, grown_bytes = done.stdout.splitlines()
    assert words in line
    assert int(grown_bytes) < 64 * 2**20


@pytest.mark.fault(13)
@pytest.mark.parametrize(
    ("claimed", "compression", "words"),
    [
        ((10**9, 28, 28), zipfile.ZIP_DEFLATED, "x_train: expected images"),
        ((200_000, 28, 28), zipfile.ZIP_DEFLATED, "damaged or cut short"),
        ((200_000, 28, 28), zipfile.ZIP_LZMA, "x_train: expected no compression, or deflate"),
    ],
)
def test_an_archive_that_claims_more_than_it_has(tmp_path, claimed, compression, words):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": claimed})
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", member.getvalue() + bytes(1000))
    refused_in_bounded_memory("npz", path, words)


def test_an_archive_with_forty_thousand_names(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(40_000):
            archive.writestr(f"{number:030}", b"")
    refused_in_bounded_memory("npz", path, "its list of contents is too long")
