"""Weights that travel: trained in one framework, evaluated in the others."""

from __future__ import annotations

import json

import pytest

from adapters.recipes import HEADLINE
from adapters.registry import default_frameworks


def exchanged(command, *arguments):
    done = command("benchmarks", "verify", "--exchange", "--json", *arguments)
    return done, {(p["recipe"], p["trained_in"], p["evaluated_in"]): p for p in json.loads(done.stdout)}


def test_lenet_trained_in_one_is_the_same_lenet_in_another(command, tmp_path):
    frameworks = ("numpy", "torch", "tensorflow")  # (in, out) and (out, in), NCHW and NHWC
    done, pairs = exchanged(command, "--framework", ",".join(frameworks), "--model", "lenet", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert set(pairs) == {("lenet", trainer, evaluator) for trainer in frameworks for evaluator in frameworks}
    assert all(0 <= pair["deviation"] < 1e-4 for pair in pairs.values())
    assert all(pair["accuracy"] > 0.8 for pair in pairs.values())
    assert pairs["lenet", "torch", "numpy"]["deviation"] > 0  # not the same outputs compared with themselves
    files = {path.name for path in tmp_path.glob("*.safetensors")}
    assert files == {"lenet-initial.safetensors", *(f"lenet-{name}.safetensors" for name in frameworks)}


def test_a_framework_that_changes_the_weights_it_is_given_is_found(tmp_path, broken_command):
    done = broken_command(
        "tests.sweeps.broken:OwnInitialiser", "verify", "--exchange", "--framework", "numpy,torch", "--model", "mlp"
    )
    assert done.returncode == 1
    assert "torch" in done.stdout


@pytest.mark.soak
def test_all_thirty_pairs_of_both_headline_models(command):
    done, pairs = exchanged(command)
    assert done.returncode == 0, done.stderr
    ordered = [pair for (_, trainer, evaluator), pair in pairs.items() if trainer != evaluator]
    assert len(ordered) == 30 * len(HEADLINE)
    assert len(pairs) == len(default_frameworks()) ** 2 * len(HEADLINE)
    assert max(pair["deviation"] for pair in ordered) < 1e-4
