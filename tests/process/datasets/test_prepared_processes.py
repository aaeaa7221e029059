"""Preparing a data set in processes of its own."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_importing_needs_only_numpy():
    code = "import sys, benchmarks.plan.data; print(*{'pooch', 'requests', 'mlxtend'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.mnist
def test_preparing_mnist_stays_within_its_memory(mnist_folder, tmp_path):
    code = (
        "import sys; from pathlib import Path; from benchmarks.plan.data import prepare;"
        "from benchmarks.worker import peak_rss_bytes;"
        "first, again = (prepare('mnist', Path(sys.argv[1]), Path(sys.argv[2])) for _ in range(2));"
        "assert first == again; print(peak_rss_bytes())"
    )
    command = [sys.executable, "-W", "error", "-c", code, mnist_folder, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 2**20
    assert len(list(Path(tmp_path).glob("prepared/*/*.npy"))) == 4
