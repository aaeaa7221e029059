"""Small files that grow large are refused by a process whose memory is bounded."""

import gzip
import struct
import subprocess
import sys
import textwrap

import pytest

from benchmarks.plan.data import readers


def header(magic=0x0803, count=2, rows=28, columns=28):
    return struct.pack(">4I", magic, count, rows, columns)


BOMB = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from benchmarks.plan.data.readers import read_csv, read_idx, read_json
    from benchmarks.errors import DataError
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 64 * 2**20,) * 2)
    try:
        {"idx": read_idx, "csv": read_csv, "json": read_json}[sys.argv[1]](Path(sys.argv[2]))
    except DataError as error:
        print(error)
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
    command = [sys.executable, "-c", BOMB, reader, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in done.stdout
