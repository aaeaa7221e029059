"""A network of the user's own that cannot be is one line, from whichever program."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT

FLATTEN = '  { type = "Flatten" },\n'


@pytest.mark.parametrize("program", [("benchmarks", "info", "list"), ("report", "columns")])
def test_a_forgotten_flatten_names_the_layer_and_what_would_fit(program, tmp_path):
    shutil.copytree(ROOT / "adapters", tmp_path / "adapters")
    for name in ("benchmarks", "report"):
        (tmp_path / name).symlink_to(ROOT / name)
    file = tmp_path / "adapters" / "networks" / "lenet.toml"
    before = file.read_text()
    assert before.count(FLATTEN) == 1
    file.write_text(before.replace(FLATTEN, ""))
    line = [sys.executable, "-m", *program]
    done = subprocess.run(line, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, check=False)
    [words] = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert words == (
        "adapters/networks/lenet.toml: model 'lenet', layer 6, Dense: needs a vector, got (50, 4, 4); put Flatten"
        " before it"
    )
