"""Networks that are kept: trained in each framework, read alike in every one, and through each one's own files."""

from __future__ import annotations

import ast
import json

import pytest

from adapters.registry import FRAMEWORKS, default_frameworks
from benchmarks.machine.environments import ROOT
from benchmarks.models import checkpoint


def formats(framework):
    """Return the formats that a framework's native.py says that it writes; nothing of it is run here."""
    for node in ast.parse((ROOT / "adapters" / framework / "native.py").read_text()).body:
        match node:
            case ast.Assign([ast.Name("FORMATS")], value):
                return set(ast.literal_eval(value))
    raise AssertionError(f"adapters/{framework}/native.py has no FORMATS")


def evaluated(command, folder, *arguments):
    done = command("benchmarks", "verify", str(folder), "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def trained(command, tmp_path, framework, *arguments):
    """Train mlp for an epoch and return its folder."""
    folder = tmp_path / framework
    line = ("--framework", framework, "--model", "mlp", "--epochs", "1", "--save", str(folder))
    done = command("benchmarks", "train", *line, *arguments)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1: loss " in done.stderr
    assert (folder / checkpoint.CURVES).read_text().lstrip().startswith("<?xml")
    return folder


def check_alike(found, card):
    agreed = found["agreement"]
    assert set(agreed["correct"]) == set(default_frameworks())
    assert agreed["agreed"]
    assert 0.5 < card["scores"]["accuracy"] < 1
    expected, ties = round(card["scores"]["accuracy"] * agreed["images"]), len(agreed["differences"])
    assert all(abs(correct - expected) <= ties for correct in agreed["correct"].values())
    assert 0 < max(agreed["deviation"].values()) < 1e-4  # 0: the same outputs compared with themselves


def test_what_is_kept_all_six_read_alike_and_load_from_files_of_their_own(command, broken_command, tmp_path):
    folder = trained(command, tmp_path, "numpy", "--native")
    card = checkpoint.read_checkpoint(folder).card
    assert [path.name for path in (folder / checkpoint.NATIVE).iterdir()] == ["mlp.npz"]
    assert card["native"]["npz"] < 1e-4
    found = evaluated(command, folder, "--framework", "all", "--native")
    check_alike(found, card)
    assert {name: set(forms) for name, forms in found["native"].items()} == {
        name: formats(name) for name in default_frameworks()
    }
    assert all(0 <= deviation < 1e-4 for forms in found["native"].values() for deviation in forms.values())

    done = broken_command("tests.sweeps.broken:RawPixels", "verify", str(folder), "--framework", "torch,numpy")
    assert done.returncode == 1, done.stderr
    assert "DISAGREEMENT" in done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_is_read_alike_by_all(command, tmp_path, framework):
    folder = trained(command, tmp_path, framework, "--native")
    card = checkpoint.read_checkpoint(folder).card
    assert set(card["native"]) == formats(framework)
    assert list((folder / checkpoint.NATIVE).iterdir())
    check_alike(evaluated(command, folder), card)


def test_what_cannot_be_done_is_one_line(refused, tmp_path):
    save = ("--save", str(tmp_path / "net"))
    refused("one at a time; give one", "benchmarks", "train", "--framework", "torch,jax", *save)
    refused("unknown recipe 'lenett'; did you mean lenet", "benchmarks", "train", "--recipe", "lenett", *save)
    refused("numpy cannot train compiled", "benchmarks", "train", "--framework", "numpy", "--mode", "compiled", *save)
    refused("no folder", "benchmarks", "verify", str(tmp_path / "net"))
    assert list(tmp_path.iterdir()) == []
