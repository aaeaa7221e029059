from __future__ import annotations

import pytest

from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    Adam,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    MaxPool2D,
    Model,
    Patches,
    Place,
    Recipe,
    Residual,
    RMSNorm,
    SelfAttention,
)
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


def test_totals_of_the_tutorials_models():
    assert {name: model_flops(MODELS[name]) for name in PUBLISHED} == PUBLISHED


def test_an_lstm_and_attention_counted_by_hand():
    """A first layer needs no gradient of its input; of attention and an LSTM that is but a part of the products."""
    recurrent = Model("l", (Patches(1, 6), LSTM(5), Dense(2)), (1, 4, 6))
    gates = 2 * 4 * 4 * 5 * (6 + 5)
    assert model_flops(recurrent) == (gates + 20, 3 * gates - 2 * 4 * 4 * 5 * 6 + 3 * 20)
    attending = Model("a", (Patches(2, 2), SelfAttention(2), Flatten(), Dense(3)), (1, 4, 6))
    qkv, products, out = 2 * 6 * 4 * 12, 2 * 2 * 6 * 6 * 4, 2 * 6 * 4 * 4
    assert model_flops(attending) == (qkv + products + out + 144, 2 * qkv + 3 * (products + out + 144))


def test_layers_side_by_side_that_read_the_images_need_no_gradient_of_them():
    shortcut = Conv2D(3, 1, bias=False), BatchNorm()
    model = Model("r", (Residual((Conv2D(3, 1),), shortcut), GlobalAvgPool(), Dense(2)), (2, 5, 5))
    assert model_flops(model) == (2 * 300 + 12, 2 * 2 * 300 + 36)


def test_groups_divide_the_products():
    whole, parted = (
        model_flops(Model("g", (Conv2D(8, 3, groups=groups), GlobalAvgPool(), Dense(2)), (4, 5, 5)))
        for groups in (1, 4)
    )
    assert (whole[0] - 32) == 4 * (parted[0] - 32)


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
        (BatchNorm(), 7, 7),
        (RMSNorm(), 4, 5),
        (Residual(()), 1, 1),
    ],
)
def test_cost_of_one_output_that_the_headline_leaves_out(layer, forward, backward):
    assert _other_flops(Place("0", layer, (2, 9, 9), (2, 5, 5), True)) == (50 * forward, 50 * backward)
