"""Networks that are kept: trained in each framework, read alike in every one, and through each one's own files."""

from __future__ import annotations

import json

import pytest

from adapters.registry import ADAPTERS
from benchmarks import saved

PIECES = {  # a piece of each format's files
    "torch": {"mlp.pt", "mlp.pt2"},
    "tensorflow": {"mlp.keras", "mlp_saved_model"},
    "paddle": {"mlp.pdparams", "mlp.json", "mlp.pdiparams"},
    "mxnet": {"mlp-symbol.json", "mlp-0000.params"},
    "jax": {"mlp.jax_export", "mlp.npz"},
    "numpy": {"mlp.npz"},
}
FORMATS = {
    "torch": {"state_dict", "export"},
    "tensorflow": {"keras", "saved_model"},
    "paddle": {"pdparams", "jit"},
    "mxnet": {"symbol"},
    "jax": {"export"},
    "numpy": {"npz"},
}


def evaluated(command, folder, *arguments):
    done = command("benchmarks", "evaluate", str(folder), "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("framework", ADAPTERS)
def test_what_one_framework_keeps_all_six_read_alike(command, tmp_path, framework):
    folder = tmp_path / framework
    line = ("--framework", framework, "--model", "mlp", "--epochs", "1", "--save", str(folder), "--native")
    done = command("benchmarks", "train", *line)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1: loss " in done.stderr
    card = saved.read(folder).card
    assert card["training"]["framework"] == framework
    assert set(card["native"]) == FORMATS[framework]
    assert all(0 <= deviation < 1e-4 for deviation in card["native"].values())
    assert {path.name for path in (folder / saved.NATIVE).iterdir()} == PIECES[framework]
    assert (folder / saved.CURVES).read_text().lstrip().startswith("<?xml")

    found = evaluated(command, folder)
    agreed = found["agreement"]
    assert set(agreed["correct"]) == set(ADAPTERS)
    assert agreed["agreed"]
    assert 0.5 < card["scores"]["accuracy"] < 1
    expected = round(card["scores"]["accuracy"] * agreed["images"])
    ties = len(agreed["differences"])
    assert all(abs(correct - expected) <= ties for correct in agreed["correct"].values())
    assert max(agreed["deviation"].values()) < 1e-4
    assert max(agreed["deviation"].values()) > 0  # not the same outputs compared with themselves


def test_a_framework_that_computes_something_else_disagrees(command, broken_command, tmp_path):
    folder = tmp_path / "kept"
    done = command(
        "benchmarks", "train", "--framework", "numpy", "--model", "mlp", "--epochs", "1", "--save", str(folder)
    )
    assert done.returncode == 0, done.stderr
    done = broken_command("tests.meta.broken:OwnInitialiser", "evaluate", str(folder), "--framework", "torch,numpy")
    assert done.returncode == 1, done.stderr
    assert "DISAGREEMENT" in done.stdout
    found = evaluated(command, folder, "--framework", "numpy", "--native")
    assert found["native"]["numpy"]["npz"] < 1e-4


def test_what_cannot_be_done_is_one_line(refused, tmp_path):
    save = ("--save", str(tmp_path / "net"))
    refused("one network is trained at a time", "benchmarks", "train", "--framework", "torch,jax", *save)
    refused("unknown recipe 'lenett'; did you mean lenet", "benchmarks", "train", "--recipe", "lenett", *save)
    refused("numpy cannot train compiled", "benchmarks", "train", "--framework", "numpy", "--mode", "compiled", *save)
    refused("no folder", "benchmarks", "evaluate", str(tmp_path / "net"))
    assert list(tmp_path.iterdir()) == []
