"""Networks as files: ours are what they were in code, any declaration comes back, and what cannot be is one line."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import networks
from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    BatchNorm,
    Conv2D,
    DeclarationError,
    Dense,
    Flatten,
    GlobalAvgPool,
    Layer,
    MaxPool2D,
    Model,
    Patches,
    Pixels,
    Recipe,
    Residual,
)
from adapters.networks import declared, digest, parsed, recipe_of
from adapters.recipes import NAMES, RECIPES, known, own
from tests.unit.conftest import examples

RELU = Activation("relu")
BLOCK = (Conv2D(4, 3, padding=1, bias=False), BatchNorm(), RELU, Conv2D(4, 3, padding=1, bias=False), BatchNorm())
RESIDUAL = Recipe(
    "small",
    Model(
        "small",
        (Conv2D(4, 3, 2, 1), RELU, Residual(BLOCK, (Conv2D(4, 1, bias=False),)), RELU, GlobalAvgPool(), Dense(7)),
        (3, 32, 20),
    ),
    SGD(0.05, 0.9, True),
    pixels=Pixels(-1.0, 1.0),
    label_smoothing=0.1,
)
TEXT = """
name = "small"
input_shape = [3, 32, 20]
layers = [
  { type = "Conv2D", channels = 4, kernel = 3, stride = 2, padding = 1 },
  { type = "Activation", function = "relu" },
  { type = "Residual", branch = [
    { type = "Conv2D", channels = 4, kernel = 3, padding = 1, bias = false },
    { type = "BatchNorm" },
    { type = "Activation", function = "relu" },
    { type = "Conv2D", channels = 4, kernel = 3, padding = 1, bias = false },
    { type = "BatchNorm" },
  ], shortcut = [{ type = "Conv2D", channels = 4, kernel = 1, bias = false }] },
  { type = "Activation", function = "relu" },
  { type = "GlobalAvgPool" },
  { type = "Dense", units = 7 },
]
[recipe]
optimiser = { type = "SGD", rate = 0.05, momentum = 0.9, nesterov = true }
pixels = { low = -1, high = 1 }
label_smoothing = 0.1
"""


def read(text):
    return parsed(text.encode(), "x.toml")


def test_a_file_is_what_python_would_declare():
    assert read(TEXT) == RESIDUAL


def test_what_a_file_leaves_out_has_a_default():
    found = read('name = "a"\nlayers = [{ type = "Flatten" }, { type = "Dense", units = 3 }]')
    assert found == Recipe("a", Model("a", (Flatten(), Dense(3))), SGD(0.1))


def test_every_file_is_a_network_of_ours_and_every_network_has_one():
    assert {path.stem for path in networks.FOLDER.glob("*.toml")} == set(NAMES)
    assert {name: RECIPES[name].name for name in NAMES} == dict(zip(NAMES, NAMES, strict=True))


@pytest.mark.parametrize("recipe", [*RECIPES.values(), RESIDUAL], ids=lambda recipe: recipe.name)
def test_what_is_declared_comes_back_through_json(recipe):
    assert recipe_of(json.loads(json.dumps(declared(recipe)))) == recipe


def test_an_identity_is_of_what_is_computed_and_of_nothing_else():
    same = [TEXT, "# a word\n" + TEXT, TEXT.replace("pixels = { low = -1,", "pixels = { low = -1.0,")]
    same += [TEXT.replace('"small"', '"other"'), TEXT.replace("\nlayers", '\nsource = "me"\nlayers')]
    assert len({digest(read(text)) for text in same}) == 1
    others = [("0.05", "0.06"), ("units = 7", "units = 8"), ("kernel = 1", "kernel = 1, groups = 2"), ("true", "false")]
    others += [("32, 20", "32, 24"), ("[recipe]", "[recipe]\nepochs = 11"), ("low = -1", "low = 0")]
    found = {digest(read(TEXT.replace(*change))) for change in others}
    assert len(found - {digest(RESIDUAL)}) == len(others)


def test_a_network_of_one_s_own_is_named_by_its_content():
    mine = own(RESIDUAL)
    assert mine.name == mine.model.name == f"small-{digest(RESIDUAL)[:8]}"
    assert RECIPES.pop(mine.name) is mine
    assert known(recipe_of(declared(mine))) == mine
    assert RECIPES.pop(mine.name) == mine
    assert own(RECIPES["mlp"]) is RECIPES["mlp"]
    for wrong in (RESIDUAL, dataclasses.replace(mine, optimiser=SGD(0.1)), dataclasses.replace(RESIDUAL, name="mlp")):
        with pytest.raises(DeclarationError):
            known(wrong)
    with pytest.raises(DeclarationError, match="name 'mlp' is another network's, which is built in"):
        own(dataclasses.replace(RESIDUAL, name="mlp"))


FLAT, TEN = '{ type = "Flatten" }', '{ type = "Dense", units = 10 }'
CONV = '{ type = "Conv2D", channels = 4, kernel = 3 }'


def layers(*given, more=""):
    return f'name = "a"\n{more}\nlayers = [{", ".join(given)}]\n'


def with_recipe(line):
    return layers(FLAT, TEN) + f"[recipe]\n{line}\n"


DEEP = '{ type = "Residual", branch = ['
WRONG = {
    layers(CONV, TEN): "model 'a', layer 1, Dense: needs a vector, got (4, 26, 26); put Flatten before it",
    layers(f"{DEEP}{CONV}] }}", FLAT, TEN): (
        "model 'a', layer 0, Residual: of (1, 28, 28) branch makes (4, 26, 26); keep the shape, or add a shortcut"
    ),
    layers(f"{DEEP}{FLAT}, {CONV}] }}"): (
        "model 'a', layer 0.branch.1, Conv2D: needs an image (C, H, W), got (784,); put it before Flatten or Patches"
    ),
    layers(FLAT, '{ type = "Dence", units = 3 }'): "layer 1: unknown type 'Dence'; did you mean Dense? Known: Conv2D, ",
    layers(FLAT, '{ type = "Dense", unit = 3 }'): (
        "layer 1, Dense: unknown 'unit'; did you mean units? Known: units, bias"
    ),
    layers(
        FLAT, '{ type = "Linear", out_features = 3 }'
    ): "layer 1: unknown type 'Linear'; did you mean Dense? Known: ",
    layers(FLAT, '{ type = "ReLU" }'): "layer 1: unknown type 'ReLU'; did you mean Activation? Known: ",
    layers(FLAT, '{ type = "Dropout" }'): "layer 1: unknown type 'Dropout'; there is no dropout, as each framework",
    layers(FLAT, '{ type = "Dense", out_features = 3 }'): "unknown 'out_features'; did you mean units?",
    layers(f'{{ type = "Residual", branch = [{CONV}], shortcut = [{CONV}, {CONV}] }}'): (
        "branch makes (4, 26, 26), shortcut (4, 24, 24); give both the same channels and strides"
    ),
    layers(CONV, '{ type = "BatchNorm" }'): "layer 0, Conv2D: its bias does nothing before BatchNorm; say bias = false",
    layers(FLAT, TEN, more="epochs = 3"): "'epochs' at the top; put it below a line [recipe]",
    layers(FLAT, '{ type = "Dense" }'): "layer 1, Dense: lacks 'units', a whole number from 1 to 1,048,576",
    layers(f'{{ type = "Residual", branch = [{FLAT}, {{ type = "Dense", units = 0.5 }}] }}'): (
        "layer 0.branch.1, Dense: units: expected a whole number from 1 to 1,048,576, found 0.5"
    ),
    layers(FLAT, '{ type = "Dense", units = 0 }'): "layer 1, Dense: units: expected a whole number from 1",
    layers(FLAT, '{ type = "Dense", units = true }'): "layer 1, Dense: units: expected a whole number from 1",
    layers(FLAT, '{ type = "Dense", units = 3, bias = 1 }'): "layer 1, Dense: bias: expected true or false, found 1",
    layers(FLAT, '{ type = "Dense", units = 0xffffffffffffffffffffffffffffffffffff }'): "layer 1, Dense: units: expect",
    layers(FLAT, "{ units = 3 }"): 'layer 1: expected a table with its type, such as { type = "Conv2D" }, found a tab',
    layers(FLAT, "3"): "layer 1: expected a table with its type",
    layers(FLAT, '{ type = "Activation", function = "swish" }'): "layer 1, Activation: Activation('swish'): expected r",
    layers('{ type = "Conv2D", channels = 4, kernel = 29 }'): "model 'a', layer 0, Conv2D: a window of 29 does not fit",
    layers('{ type = "Conv2D", channels = 4, kernel = 3, stride = 0 }'): "layer 0, Conv2D: stride: expected a whole",
    layers('{ type = "BatchNorm", momentum = 1.5 }'): "layer 0, BatchNorm: momentum: expected a number from 0, below 1",
    layers(FLAT): "model 'a' has no layer with weights",
    layers(CONV): "model 'a' ends with (4, 26, 26); it needs a vector; put Flatten before",
    'name = "a"\nlayers = []': "layers: expected 1 to 1,000, found 0",
    layers(FLAT, TEN, more="input_shape = [28, 28]"): "input_shape: expected channels, height, width, found",
    layers(FLAT, TEN, more="input_shape = [1, 28, -28]"): "input_shape: expected a whole number from 1",
    layers(FLAT, TEN, more='layer = "x"'): "unknown 'layer'; did you mean layers? Known: name, layers",
    layers(FLAT, TEN, more='model = "x"'): "unknown 'model'; `name` is the network's",
    layers(FLAT, TEN).replace('"a"', '"../a"'): "name '../a': expected up to 50 letters",
    layers(FLAT, TEN).replace('name = "a"', ""): "lacks 'name', a text",
    with_recipe("loss = 'hinge'"): "recipe 'a': loss 'hinge' is not known; known: cross_entropy, mean_squared_error",
    with_recipe("batchsize = 5"): "recipe: unknown 'batchsize'; did you mean batch_size?",
    with_recipe("optimiser = { type = 'SGD', rate = 0 }"): "recipe.optimiser, SGD: rate: expected a number above 0",
    with_recipe("optimiser = { type = 'SGD', rate = nan }"): "recipe.optimiser, SGD: rate: expected a number above 0",
    with_recipe("optimiser = { type = 'Lion', rate = 1 }"): "recipe.optimiser: unknown type 'Lion'; known: SGD, Adam",
    with_recipe("optimiser = { type = 'SGD', lr = 0.1 }"): "recipe.optimiser, SGD: unknown 'lr'; did you mean rate?",
    with_recipe(
        "initialiser = 'he_normal'"
    ): "recipe.initialiser: expected a table of distribution, scale, found 'he_n",
    with_recipe("optimiser = 0.1"): 'recipe.optimiser: expected a table with its type, such as { type = "SGD" }',
    with_recipe("schedule = { type = 'Cosine', epochs = 2, warmup_epochs = 3 }"): "recipe.schedule, Cosine: Cosine(",
    with_recipe("initialiser = { distribution = 'he' }"): "recipe.initialiser: Initialiser('he'): expected one of",
    with_recipe("pixels = { low = 0, top = 1 }"): "recipe.pixels: unknown 'top'; known: low, high",
    with_recipe("name = 'b'"): "recipe: unknown 'name'",
    "name = 'a'\nname = 'b'": "not TOML: Cannot overwrite a value",
    "a = " + "[" * 5000: "not TOML: ",
    "a = {" + "b={" * 5000: "not TOML: ",
    "a = " + "9" * 5000: "not TOML: ",
    ".".join("a" * 5000) + " = 1": "a line has more than 40 dots",
    "#" * (1 << 20) + "\n": "larger than 1048576 bytes",
    # What no machine could hold, or what would take for ever:
    layers(
        FLAT, *['{ type = "Dense", units = 1048576 }'] * 2
    ): "1,100,335,808,512 parameters; at most 1,000,000,000 are read",
    layers(
        '{ type = "Conv2D", channels = 9, kernel = 1, padding = 99999 }', '{ type = "GlobalAvgPool" }'
    ): "layer 0, Conv2D: more than 16,777,216 v",
    layers(*[FLAT] * 1001): "layers: expected 1 to 1,000, found 1,001",
    layers(DEEP * 500 + "] }" * 500): "",
    layers(DEEP * 20 + FLAT + "] }" * 20): "more than 8 Residual within each other",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[-60:])
def test_what_cannot_be_is_one_line_with_the_file_and_the_layer(text):
    begin = time.monotonic()
    with pytest.raises(DeclarationError) as caught:
        read(text)
    message = str(caught.value)
    assert message.startswith("x.toml: ")
    assert WRONG[text] in message
    assert message.isprintable()
    assert len(message) < 400
    assert time.monotonic() - begin < 60  # what hangs, hangs for hours


def test_what_is_no_text_is_said():
    with pytest.raises(DeclarationError, match=r"^x\.toml: not TOML: 'utf-8' codec"):
        parsed(b'name = "\xff"', "x.toml")


@given(st.data())
@settings(max_examples=examples(200), deadline=None)
def test_any_value_in_the_place_of_another_is_read_or_one_line(data):
    """A part of a declaration replaced by another part, or by anything that JSON or TOML can hold."""
    values = json.loads(json.dumps(declared(data.draw(st.sampled_from([RESIDUAL, RECIPES["vit"], RECIPES["lstm"]])))))
    places = list(_places(values))
    holder, key = data.draw(st.sampled_from(places))
    odd = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
    other = st.sampled_from(places).map(lambda place: place[0][place[1]])
    deep = st.recursive(odd, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5)
    holder[key] = data.draw(odd | deep | other.map(json.dumps).map(json.loads))
    with contextlib.suppress(DeclarationError):
        recipe = recipe_of(values)
        assert recipe_of(declared(recipe)) == recipe


def _places(values):
    """Yield every part of nested lists and objects as (holder, key)."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield values, key
        if isinstance(value, dict | list):
            yield from _places(value)


def test_every_layer_of_the_language_can_be_declared():
    classes = set(Layer.__args__)
    used = {type(place.layer) for recipe in (*RECIPES.values(), RESIDUAL) for place in recipe.model.places()}
    text = {kind.__name__ for kind in classes}
    with pytest.raises(DeclarationError) as caught:
        read(layers('{ type = "No" }'))
    assert text == set(str(caught.value).partition("nown: ")[2].split(", "))
    assert used >= {Conv2D, Dense, MaxPool2D, LSTM, Patches, Residual}
