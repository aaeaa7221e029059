from __future__ import annotations

import json
import subprocess
import sys

import pytest

from adapters.recipes import MODELS
from benchmarks.describe import describe
from benchmarks.flops import layer_costs, model_flops

PUBLISHED = {  # forward, training, per sample
    "linear": (1_568, 3_136),
    "mlp_sigmoid": (15_900, 32_020),
    "mlp": (218_368, 454_400),
    "cnn_20_20": (4_723_600, 13_386_800),
    "cnn_32_64": (21_387_520, 62_908_160),
    "cnn_28_dense": (5_188_832, 15_225_792),
    "lenet5": (833_040, 2_263_920),
    "lenet": (4_586_000, 13_182_000),
}


def test_totals_of_all_eight_models():
    assert {name: model_flops(model) for name, model in MODELS.items()} == PUBLISHED


def test_the_published_figures_of_cnn_20_20():
    costs = [cost.forward_flops for cost in layer_costs(MODELS["cnn_20_20"], 100) if cost.forward_flops]
    assert costs[:2] == [78_400_000, 392_000_000]


@pytest.mark.parametrize("name", MODELS)
def test_layers_add_up_and_scale_with_the_batch(name):
    one, hundred = describe(MODELS[name], 1), describe(MODELS[name], 100)
    for kind in ("forward_flops", "training_flops"):
        assert sum(layer[kind] for layer in one["layers"]) == one[kind]
        assert hundred[kind] == 100 * one[kind]
    assert sum(layer["parameters"] for layer in one["layers"]) == hundred["parameters"]


def test_describe_prints_json_for_programs():
    command = [sys.executable, "-m", "benchmarks", "describe", "cnn_20_20", "--batch-size", "100", "--json"]
    described = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    convolutions = [layer for layer in described["layers"] if layer["layer"] == "Conv2D"]
    assert [layer["forward_flops"] for layer in convolutions] == [78_400_000, 392_000_000]
    assert convolutions[0]["weight_shape"] == [20, 1, 5, 5]
    assert convolutions[0]["output_shape"] == [20, 28, 28]
