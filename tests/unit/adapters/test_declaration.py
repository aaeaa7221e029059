from __future__ import annotations

import pytest

from adapters.declaration import (
    SGD,
    Activation,
    Adam,
    Conv2D,
    DeclarationError,
    Dense,
    Exponential,
    Flatten,
    Initialiser,
    MaxPool2D,
    Model,
    Recipe,
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
}


def test_the_eight_models_have_their_published_sizes():
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
    ],
)
def test_a_model_that_cannot_be_built_is_refused_with_its_layer(layers, words):
    with pytest.raises(DeclarationError, match=words) as caught:
        Model("wrong", layers)
    assert "model 'wrong', layer" in str(caught.value)


def test_unknown_words_are_refused():
    with pytest.raises(DeclarationError, match="expected relu"):
        Activation("gelu")
    with pytest.raises(DeclarationError, match="expected one of"):
        Initialiser("orthogonal")
    with pytest.raises(DeclarationError, match="unknown"):
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
