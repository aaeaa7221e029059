"""The page as two processes write it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT
from tests.browser import synthetic


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Results with something for every section."""
    return synthetic.write(tmp_path_factory.mktemp("full"), 2, ["mlp"])


def test_the_same_rows_give_the_same_bytes_whatever_the_order_of_sets(full):
    program = (
        "import hashlib, sys; from report.results.load import load, records;"
        "from report.page.document import build; from report.page.inputs import PAGE_COLUMNS, Inputs;"
        "print(hashlib.sha256(build(Inputs(load(a := sys.argv[1], PAGE_COLUMNS), records(a))).encode()).hexdigest())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program, str(full)], env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            cwd=ROOT, capture_output=True, check=True, text=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1]
