"""A large CSV file takes little memory: a process of its own, whose size the kernel records."""

import gzip
import os
import subprocess
import sys


def test_sixty_thousand_rows_take_seconds_and_little_memory(tmp_path, make):
    path = tmp_path / "big.csv.gz"
    block = make.csv(*make.digits(100))
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(600):
            file.write(block)
    code = (
        "import sys; from pathlib import Path; from benchmarks.plan.data.csv_file import read_csv;"
        "from benchmarks.worker.__main__ import _peak_rss_bytes;"
        "images = read_csv(Path(sys.argv[1])).images; assert images.shape == (60000, 28, 28);"
        "print(_peak_rss_bytes())"
    )
    before_s = sum(os.times()[2:4])
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert sum(os.times()[2:4]) - before_s < 30  # of a processor's time: others that run take none of it
    assert int(done.stdout) < 250 * 2**20
