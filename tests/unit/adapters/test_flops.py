from __future__ import annotations

import pytest

from adapters.declaration import SGD, Activation, Adam, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Model, Recipe
from adapters.flops import _layer_costs, _other_flops, describe, model_flops, step_all_flops
from adapters.recipes import MODELS, RECIPES

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
    costs = [cost.forward_flops for cost in _layer_costs(MODELS["cnn_20_20"], 100) if cost.forward_flops]
    assert costs[:2] == [78_400_000, 392_000_000]


@pytest.mark.parametrize("name", MODELS)
def test_layers_add_up_and_scale_with_the_batch(name):
    one, hundred = describe(RECIPES[name], 1), describe(RECIPES[name], 100)
    for kind in ("forward_flops", "training_flops"):
        assert sum(layer[kind] for layer in one["layers"]) == one[kind]
        assert hundred[kind] == 100 * one[kind]
    assert sum(layer["parameters"] for layer in one["layers"]) == hundred["parameters"]


def test_all_flops_counted_by_hand():
    conv, relu, pool, dense = Conv2D(2, 3), Activation("relu"), MaxPool2D(2, 2), Dense(3)
    model = Model("small", (conv, relu, pool, Flatten(), dense), (1, 6, 6))  # 2x4x4, 2x2x2, 8, 3
    headline = 2 * (2 * 32 * 9) + 3 * (2 * 8 * 3)
    others = (32 + 32) + (8 * 3 + 8)  # relu; three comparisons and one addition an output
    loss = 2 + 3 + 3 + 2 + 1 + 1 + 1 + 3 + 1 + 3  # largest, subtract, exp, sum, log, minus, mean; divide, minus, 1/N
    parameters = 20 + 27
    for optimiser, each in ((SGD(0.1), 2), (SGD(0.1, 0.9), 4), (SGD(0.1, 0.9, True), 6), (Adam(), 14)):
        recipe = Recipe("small", model, optimiser)
        assert step_all_flops(recipe, 10) == 10 * (headline + others + loss) + each * parameters


def test_what_lies_before_the_first_weights_needs_no_gradient():
    before = _layer_costs(Model("pooled", (AvgPool2D(2, 2), Flatten(), Dense(3)), (1, 4, 4)))[0]
    assert before.all_forward_flops == before.all_training_flops == 4 * 4


@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        (MaxPool2D(3, 2), 8, 1),
        (AvgPool2D(3, 2), 9, 10),
        (Activation("relu"), 1, 1),
        (Activation("tanh"), 1, 3),
        (Activation("sigmoid"), 4, 3),
    ],
)
def test_cost_of_one_output_that_the_headline_leaves_out(layer, forward, backward):
    assert _other_flops(layer, (2, 5, 5)) == (50 * forward, 50 * backward)
