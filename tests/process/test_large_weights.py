"""A weights file that claims too much, read by a process whose memory is bounded."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest


def with_header(entries):
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header


READ = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from adapters.recipes import MODELS
    from benchmarks.errors import DataError
    from benchmarks.models.checkpoint import read_weights
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (in_use + 32 * 2**20,) * 2)
    try:
        read_weights(Path(sys.argv[1]), MODELS["lenet"])
    except DataError as error:
        print(error)
""")


@pytest.mark.fault(31)
def test_a_large_parameter_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "w.safetensors"
    size = 1000 << 20
    path.write_bytes(with_header({"conv1.bias": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)  # a hole of zeros that takes no disk
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "conv1.bias is 262144000 float32, declared 20 float32" in done.stdout
