"""docs/examples: one program for each framework that is measured by default, and the digits that they read.

That they compute what is declared is tests/frameworks/test_examples.py's to show.
"""

from __future__ import annotations

import re

import numpy as np

from adapters.registry import default_frameworks
from benchmarks.plan.data.sources import load_mnist_5k
from tests.frameworks.examples.adapter import EXAMPLES, load

TESTED = EXAMPLES.parents[1] / "tests/frameworks/examples"


def test_every_default_framework_has_an_example_that_is_tested_and_listed():
    listed = re.findall(r"^\| `(lenet_(\w+)\.py)` \| (\d+) \| `\.tox/(\w+)-cpu` \|$", text(), re.MULTILINE)
    assert [(framework, environment) for _, framework, _, environment in listed] == [
        (name, name) for name in default_frameworks()
    ]
    lines = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("lenet_*.py")}
    assert {file: int(count) for file, _, count, _ in listed} == lines
    assert all((TESTED / f"{name}.py").is_file() for name in default_frameworks())


def text():
    return (EXAMPLES / "README.md").read_text()


def test_none_uses_a_line_of_ours():
    ours = re.compile(r"^ *(?:import|from) (?:adapters|benchmarks|report|tests)\b", re.MULTILINE)
    assert [path.name for path in EXAMPLES.glob("*.py") if ours.search(path.read_text())] == []


def test_the_digits_are_those_of_the_harness(tmp_path, capsys):
    digits = load("digits")
    digits.FILE = tmp_path / "mnist.npz"
    digits.main()
    assert "4000 images to train on, 1000 to test on" in capsys.readouterr().out
    with np.load(digits.FILE) as archive:
        found = [archive[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    for one, other in zip(found, load_mnist_5k().arrays, strict=True):
        np.testing.assert_array_equal(one, other[:, 0] if other.ndim == 4 else other)  # grey
