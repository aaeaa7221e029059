"""What must never come into the product: the rules that keep it out are set, find it, and are nowhere silenced."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("adapters", "benchmarks", "report")
BAD = {
    "S102": "exec('1')",
    "S108": "open('/tmp/x')",
    "S113": "import requests\nrequests.get('https://a.b')",
    "S301": "import pickle\npickle.loads(b'')",
    "S302": "import marshal\nmarshal.loads(b'')",
    "S306": "import tempfile\ntempfile.mktemp()",
    "S307": "eval('1')",
    "S314": "from xml.etree import ElementTree\nElementTree.fromstring('')",
    "S324": "import hashlib\nhashlib.md5(b'')",
    "S501": "import requests\nrequests.get('https://a.b', timeout=1, verify=False)",
    "S506": "import yaml\nyaml.load('', Loader=yaml.Loader)",
    "S602": "import subprocess\nsubprocess.run('ls ' + x, shell=True)",
    "S605": "import os\nos.system('ls ' + x)",
    "S701": "import jinja2\njinja2.Environment()",
    "TID251": "import torch\ntorch.load('x')",
}
# Where a rule is wrong about a line, the reason stands on the line; a new exception is a change here, too.
SILENCED = {
    ("adapters/paddle/native.py", "TID251"): 1,
    ("adapters/tensorflow/native.py", "TID251"): 1,
    ("adapters/torch/native.py", "TID251"): 1,
    ("benchmarks/machine/lock.py", "S108"): 1,
    ("report/page/document.py", "S704"): 5,
}


def ruff(*arguments, text=None):
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=json", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_no_file_of_the_product_is_left_out():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    left_out = {
        files: [rule for rule in rules if rule[0] in "ST"] for files, rules in settings["per-file-ignores"].items()
    }
    # The examples are programs of their own, which print.
    assert {files: rules for files, rules in left_out.items() if rules and files != "tests/**"} == {
        "docs/examples/*": ["T20"]
    }
    # Workers are started from argument lists of our own; the order of cells is no secret.
    assert {rule for rule in settings["ignore"] if rule.startswith("S")} == {"S603", "S607", "S311"}


@pytest.mark.parametrize("folder", PRODUCT)
def test_the_configured_rules_find_each_of_these(folder):
    for rule, code in BAD.items():
        found = ruff(f"--stdin-filename={folder}/sample.py", "-", text=code + "\n")
        assert rule in {finding["code"] for finding in found}, code


def test_the_product_has_none_but_the_silenced():
    found: dict[tuple[str, str], int] = {}
    for finding in ruff("--ignore-noqa", *PRODUCT):
        key = (Path(finding["filename"]).relative_to(ROOT).as_posix(), finding["code"])
        if finding["code"].startswith(("S1", "S2", "S3", "S5", "S6", "S7", "TID")):
            found[key] = found.get(key, 0) + 1
    assert found == SILENCED


def test_arrays_are_loaded_without_objects():
    """No rule of ruff knows numpy.load, whose default could be turned by a variable or a later version."""
    seen = 0
    for path in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            allowed = [keyword.value for keyword in call.keywords if keyword.arg == "allow_pickle"]
            assert all(isinstance(value, ast.Constant) and value.value is False for value in allowed), path
            if ast.unparse(call.func) in ("np.load", "numpy.load"):
                seen += 1
                assert allowed, f"{path}:{call.lineno}"
    assert seen >= 5


def test_lint_and_this_test_have_one_ruff():
    pins = [
        next(line for line in (ROOT / "requirements" / name).read_text().splitlines() if line.startswith("ruff=="))
        for name in ("lint.txt", "test.txt")
    ]
    assert pins[0] == pins[1]
