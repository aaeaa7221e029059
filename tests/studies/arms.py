"""Three arms of torch whose truth is known, beside torch: `python -m tests.studies.arms RESULTS [--rounds N]`.

`torch@same` is a copy of torch's environment. In `torch@slower` each call that trains takes 5 % longer, and in
`torch@epsilon` BatchNorm adds half as much again to the variance. All four are measured in the same rounds, on mlp and
on a network with BatchNorm. Then `report compare RESULTS --by version` must say: equivalent, slower, and of the last
that its network with BatchNorm is invalid, while its mlp and all others are not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine.environments import ROOT, interpreter

HOOK = '''
import importlib.abc, importlib.util, sys, time

class Hook(importlib.abc.MetaPathFinder):
    """Changes a module of this environment after its import, as another release of it would be changed."""

    def find_spec(self, name, path, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), change(module))
        return spec

sys.meta_path.insert(0, Hook())
'''
SLOWER = """
MODULE = "adapters.torch"

def change(module):
    train = module.TorchAdapter.train

    def slower(self, *arguments):
        start = time.perf_counter()
        train(self, *arguments)
        end = time.perf_counter()
        while time.perf_counter() - end < 0.05 * (end - start):
            pass

    module.TorchAdapter.train = slower
"""
EPSILON = """
MODULE = "torch"

def change(module):
    native_batch_norm = module.native_batch_norm
    module.native_batch_norm = lambda *arguments: native_batch_norm(*arguments[:-1], 1.5 * arguments[-1])
"""
ARMS = {"torch@same": "", "torch@slower": HOOK + SLOWER, "torch@epsilon": HOOK + EPSILON}
NETWORK = """
name = "normed"
input_shape = [1, 28, 28]
layers = [
    { type = "Flatten" },
    { type = "Dense", units = 64, bias = false },
    { type = "BatchNorm" },
    { type = "Activation", function = "relu" },
    { type = "Dense", units = 10 },
]
"""


def main() -> int:
    """Make the arms, measure them, compare them; return the exit code of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--rounds", default="20")
    options = parser.parse_args()
    source = interpreter("torch", "cpu").parents[1]
    with tempfile.TemporaryDirectory(prefix="lockstep-", dir=source.parent) as folder:
        named = [f"--python={arm}={copied(source, Path(folder) / arm, text)}" for arm, text in ARMS.items()]
        (network := Path(folder) / "normed.toml").write_text(NETWORK)
        asked = ["--framework", ",".join(["torch", *ARMS]), "--model", f"mlp,{network}", "--threads", "1"]
        least = ["--rounds", options.rounds, "--seeds", "0", "--no-peak", "--results", str(options.results)]
        subprocess.run([sys.executable, "-m", "benchmarks", "run", *asked, *least, *named], cwd=ROOT, check=False)
    line = ["report", "compare", str(options.results), "--by", "version", "--wide"]
    return subprocess.run([sys.executable, "-m", *line], cwd=ROOT, check=False).returncode


def copied(source: Path, folder: Path, text: str) -> Path:
    """Copy an environment, without its bytes, and put in what is imported first; return its Python."""
    shutil.copytree(source, folder, symlinks=True, copy_function=os.link)
    [packages] = folder.glob("lib/python3.*/site-packages")
    (packages / "sitecustomize.py").write_text(text)
    return folder / "bin" / "python"


if __name__ == "__main__":
    sys.exit(main())
