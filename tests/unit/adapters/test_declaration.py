from __future__ import annotations

import pytest

from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    Adam,
    BatchNorm,
    Conv2D,
    Cosine,
    DeclarationError,
    Dense,
    Exponential,
    Flatten,
    GlobalAvgPool,
    Initialiser,
    LayerNorm,
    MaxPool2D,
    Model,
    Patches,
    Recipe,
    Reshape,
    Residual,
    RMSNorm,
    SelfAttention,
    layers,
)
from adapters.recipes import MODELS, RECIPES

PARAMETERS = {
    "linear": 785,
    "mlp_sigmoid": 7_971,
    "mlp": 109_386,
    "cnn_20_20": 20_350,
    "cnn_32_64": 83_466,
    "cnn_28_dense": 2_424_482,
    "lenet5": 61_706,
    "lenet": 431_080,
    "resnet": 77_754,
    "vit": 71_434,
    "lstm": 81_674,
    "mobile": 9_034,
}


def test_the_models_have_their_sizes():
    assert {name: model.parameter_count for name, model in MODELS.items()} == PARAMETERS


def test_shapes_of_lenet():
    assert MODELS["lenet"].shapes() == (
        (1, 28, 28),
        (20, 24, 24),
        (20, 24, 24),
        (20, 12, 12),
        (50, 8, 8),
        (50, 8, 8),
        (50, 4, 4),
        (800,),
        (500,),
        (500,),
        (10,),
    )


def test_parameters_are_named_in_order_with_canonical_shapes():
    named = [(p.name, p.shape) for p in MODELS["lenet"].parameters()]
    assert named[:2] == [("conv1.weight", (20, 1, 5, 5)), ("conv1.bias", (20,))]
    assert named[-2:] == [("dense2.weight", (500, 10)), ("dense2.bias", (10,))]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((Dense(10),), "put Flatten"),
        ((Flatten(), Conv2D(3, 3)), "needs an image"),
        ((Conv2D(3, 29),), "does not fit"),
        ((MaxPool2D(29, 1),), "does not fit"),
        ((Activation("softmax"),), "needs a vector"),
        ((Conv2D(4, 3, groups=3), GlobalAvgPool(), Dense(2)), "3 groups do not divide 1 and 4 channels"),
        ((Conv2D(4, 3), BatchNorm(), GlobalAvgPool(), Dense(2)), "its bias does nothing before BatchNorm"),
        ((Patches(5, 4), Dense(2)), "do not cut 28x28 evenly"),
        ((Patches(4, 4), SelfAttention(3), Dense(2)), "3 heads do not divide the 16 values"),
        ((Patches(4, 4), BatchNorm()), "take LayerNorm"),
        ((LayerNorm(),), "take BatchNorm"),
        ((RMSNorm(),), "take BatchNorm"),
        ((Flatten(), LSTM(3)), "needs tokens"),
        ((Reshape((3, 5)),), "the 784 values of .* do not fill"),
        ((Residual((Conv2D(3, 3),)), Flatten(), Dense(2)), r"layer 0, Residual: of \(1, 28, 28\) branch makes"),
        ((Residual((Flatten(), Conv2D(3, 3))), Dense(2)), r"layer 0\.branch\.1, Conv2D.*needs an image"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused_with_its_layer(layers, words):
    with pytest.raises(DeclarationError, match=words) as caught:
        Model("wrong", layers)
    assert "model 'wrong', layer" in str(caught.value)


def test_unknown_words_are_refused():
    with pytest.raises(DeclarationError, match="expected relu"):
        Activation("swish")
    with pytest.raises(DeclarationError, match="expected one of"):
        Initialiser("orthogonal")
    with pytest.raises(DeclarationError, match="'hinge' is not known"):
        Recipe("r", MODELS["mlp"], SGD(0.1), "hinge")
    with pytest.raises(DeclarationError, match="needs 1 output"):
        Recipe("r", MODELS["mlp"], SGD(0.1), "mean_squared_error")


def test_scalars_are_rounded_once_to_float32():
    assert SGD(0.1).rate == 0.10000000149011612
    assert Adam(0.001).beta2 == 0.9990000128746033
    assert Exponential(0.9).rate(SGD(0.001), 2) == 0.0008099999977275729


def test_the_tutorials_recipes_start_as_their_tutorials_did():
    assert RECIPES["lenet_tutorial"].initialiser == Initialiser("uniform", 0.01)
    assert RECIPES["cnn_32_64_softmax_twice"].model.layers[-1] == Activation("softmax")
    assert RECIPES["cnn_32_64_softmax_twice"].model.parameter_count == PARAMETERS["cnn_32_64"]


def test_arrays_are_parameters_and_then_statistics_by_place():
    branch = Conv2D(2, 3, padding=1, bias=False), BatchNorm()
    model = Model("r", (Conv2D(2, 1), Residual(branch), GlobalAvgPool(), Dense(3)), (1, 4, 4))
    assert [place.at for place in model.places()] == ["0", "1.branch.0", "1.branch.1", "1", "2", "3"]
    assert [(p.name, p.place) for p in model.parameters()][2:5] == [
        ("conv2.weight", 1),
        ("batchnorm1.weight", 2),
        ("batchnorm1.bias", 2),
    ]
    assert [p.name for p in model.statistics()] == ["batchnorm1.mean", "batchnorm1.variance"]
    assert model.arrays() == model.parameters() + model.statistics()
    assert [place.inner for place in model.places()] == [False, True, True, True, True, True]


def test_a_description_holds_the_layers_within_a_residual():
    branch = Conv2D(2, 3, padding=1, bias=False), BatchNorm()
    model = Model("r", (Residual(branch, (Conv2D(2, 1),)), GlobalAvgPool(), Dense(3)), (1, 4, 4))
    residual, *others = layers(model)
    assert [part["name"] for part in residual["branch"] + residual["shortcut"]] == ["conv1", "batchnorm1", "conv2"]
    assert [layer["type"] for layer in others] == ["GlobalAvgPool", "Dense"]


@pytest.mark.parametrize(
    ("layers", "words"), [((Conv2D(3, 3),), "it needs a vector"), ((Flatten(),), "no layer with weights")]
)
def test_a_network_is_one_that_learns_and_ends_in_a_vector(layers, words):
    with pytest.raises(DeclarationError, match=words):
        Model("wrong", layers)


def test_a_cosine_warms_up_and_ends_at_its_last_epoch():
    schedule, optimiser = Cosine(5, 2), SGD(1.0)
    rates = [schedule.rate(optimiser, epoch) for epoch in range(7)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[3] == pytest.approx(0.75)
    assert rates[4] == pytest.approx(0.25)
    assert rates[4] == rates[5] == rates[6]
    with pytest.raises(DeclarationError, match="less than epochs"):
        Cosine(2, 2)


def test_label_smoothing_belongs_to_a_cross_entropy():
    with pytest.raises(DeclarationError, match="label_smoothing is a share"):
        Recipe("r", MODELS["linear"], SGD(0.1), "mean_squared_error", label_smoothing=0.1)
