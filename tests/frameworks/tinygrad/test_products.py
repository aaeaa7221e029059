"""Products as kernels of our own, and that what clang made of them is kept nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from tinygrad import Tensor

from adapters.contract import NARROW
from adapters.tinygrad import TinygradAdapter
from adapters.tinygrad.products import product
from benchmarks.machine.imports import ROOT

SHAPES = [
    ((7, 5), (5, 3)),
    ((12, 9), (9, 32)),
    ((4, 6), (3, 6, 10)),
    ((3, 5, 6), (3, 6, 8)),
    ((1, 4), (4, 1)),
    ((6, 1), (1, 4)),
    ((1, 3), (3, 8)),
    ((1, 6, 4), (1, 4, 8)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_a_product_is_numpy_s(left, right, turned, biased):
    generator = np.random.default_rng(0)
    a, b, c = generator.random(left), generator.random(right), generator.random(right[-1])
    given = Tensor(np.ascontiguousarray(a.swapaxes(-1, -2))) if turned else Tensor(a)
    found = product(given, Tensor(b), Tensor(c) if biased else None, turned).numpy()
    np.testing.assert_allclose(found, a @ b + (c if biased else 0), rtol=1e-14)


def rounded(array, dtype):
    """Return float32 values rounded to a narrow type, as float64."""
    if dtype == "float16":
        return array.astype(np.float16).astype(np.float64)
    bits = array.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


@pytest.mark.parametrize("dtype", NARROW)
def test_why_there_are_no_products_of_narrow_types(dtype):
    """The adapter's two reasons: operands are rounded, products and sums are not, and clang 14 has no bfloat16."""
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((16, 512), np.float32), generator.standard_normal((512, 32), np.float32)
    made = subprocess.run(["clang", "--version"], capture_output=True, text=True, check=True).stdout
    if dtype == "bfloat16" and int(re.search(r"version (\d+)", made)[1]) <= 14:
        with pytest.raises(subprocess.CalledProcessError):
            Tensor(left).cast(dtype).realize()
        assert "clang 14 does not" in TinygradAdapter.unsupported("cpu", "eager", dtype)
        return
    a, b = (Tensor(side).cast(dtype).realize() for side in (left, right))
    found = (a @ b).cast("float32").numpy()
    exact = rounded(left, dtype) @ rounded(right, dtype)
    assert np.linalg.norm(found - exact) < 1e-6 * np.linalg.norm(exact)  # a product rounded to 11 bits is off by 2e-4
    assert np.linalg.norm(found - left.astype(np.float64) @ right) > 1e-4 * np.linalg.norm(exact)
    assert dtype != "float16" or "add in float32" in TinygradAdapter.unsupported("cpu", "eager", dtype)


STEP = """
import numpy as np
from adapters.recipes import RECIPES
from adapters.tinygrad import TinygradAdapter
adapter = TinygradAdapter(RECIPES["linear"], "cpu", "compiled", "float32")
preloaded = adapter.put(np.zeros((1, 2, 1, 28, 28), "float32"), np.zeros((1, 2), np.int64))
adapter.train(preloaded, 0, 3)
print(adapter.losses(preloaded)[0])
"""


def test_no_launch_finds_what_an_earlier_one_compiled(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", STEP], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == 0.0
    assert not list(tmp_path.iterdir())
