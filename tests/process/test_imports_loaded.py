"""What a fresh interpreter has loaded after importing an entrance of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.registry import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]


LATER = {"mlxtend", "pooch", "pyarrow", "pynvml", "requests", "safetensors", "starlette", "threadpoolctl", "uvicorn"}


@pytest.mark.parametrize("module", ["benchmarks.__main__", "report.__main__"])
def test_the_parent_imports_no_framework(module):
    program = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout.split())
    assert not loaded & set(FRAMEWORKS) - {"numpy"}
    assert ("pandas" in loaded) == module.startswith("report")
    if module.startswith("benchmarks"):
        assert not loaded & LATER


def test_a_worker_loads_the_standard_library_and_numpy_alone():
    program = (
        "import sys; before = set(sys.modules); import benchmarks.worker.__main__;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    command = [sys.executable, "-c", program]
    loaded = set(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout.split())
    # Cython names its runtime modules so; NumPy's compiled parts bring them along.
    assert {name for name in loaded if "cython" not in name.lower()} == {"numpy", "adapters", "benchmarks"}


def test_the_registry_is_read_without_any_package():
    """What installs system packages asks it before there is any environment."""
    program = "import sys; sys.path.insert(0, ''); from adapters.registry import FRAMEWORKS; print(*FRAMEWORKS)"
    command = [sys.executable, "-I", "-S", "-c", program]  # -S: no site-packages
    done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.split() == list(FRAMEWORKS)
