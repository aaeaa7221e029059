"""The conventions on which libraries differ in the layers of today: each broken one is caught, and the cause is named.

Small networks of the same layers as resnet, vit, lstm and mobile, and of RMSNorm; the NumPy adapter is broken, as in
test_gate_bites.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from adapters.declaration import (
    LSTM,
    SGD,
    Activation,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool,
    LayerNorm,
    Model,
    Patches,
    PositionEmbedding,
    Recipe,
    Residual,
    RMSNorm,
    SelfAttention,
)
from adapters.numpy import NumpyAdapter
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.lockstep import prove as prove_module
from tests.sweeps import broken_layers as broken

STEPS, SIZE, IMAGES = 20, 8, 800
RELU = Activation("relu")
NORMED = Conv2D(4, 3, padding=1, bias=False), BatchNorm(), RELU
TAIL = GlobalAvgPool(), Dense(10)


def block(channels, stride):
    branch = Conv2D(channels, 3, stride, 1, bias=False), BatchNorm(), RELU, Conv2D(channels, 3, 1, 1, bias=False)
    shortcut = () if stride == 1 else (Conv2D(channels, 1, stride, bias=False), BatchNorm())
    return Residual((*branch, BatchNorm()), shortcut), RELU


ENCODER = (Residual((LayerNorm(), SelfAttention(2))), Residual((LayerNorm(), Dense(16), Activation("gelu"), Dense(8))))
SEPARABLE = (
    *(Conv2D(4, 3, 2, 1, groups=4, bias=False), BatchNorm(), RELU),
    *(Conv2D(8, 1, bias=False), BatchNorm(), RELU),
)


def recipe(name, optimiser, *layers, smoothing=0.0):
    return Recipe(name, Model(name, layers, (1, SIZE, SIZE)), optimiser, label_smoothing=smoothing)


RESNET = recipe("small_resnet", SGD(0.02, 0.9, True), *NORMED, *block(4, 1), *block(8, 2), *TAIL, smoothing=0.1)
VIT = recipe(
    "small_vit",
    Adam(0.001, weight_decay=0.01),
    Patches(2, 2),
    Dense(8),
    PositionEmbedding(),
    *ENCODER,
    LayerNorm(),
    *TAIL,
)
RECURRENT = recipe("small_lstm", Adam(0.001), Patches(1, SIZE), LSTM(6), Dense(10))
ROOTS = recipe("small_roots", SGD(0.05), Patches(2, 2), Dense(8), RMSNorm(), RELU, *TAIL)
MOBILE = recipe("small_mobile", SGD(0.02, 0.9, True), *NORMED, *SEPARABLE, *TAIL)

QUICK = recipe("quick_resnet", SGD(0.3, 0.9), *NORMED, *block(4, 1), *block(8, 2), *TAIL)  # rounding grows in it

CASES = {
    "momentum of running statistics reversed": (
        broken.ReversedMomentum,
        RESNET,
        r"float64 losses agree, batchnorm1\.mean after the last step deviates",
    ),
    "unbiased running variance": (
        broken.UnbiasedRunningVariance,
        RESNET,
        r"float64 losses agree, batchnorm1\.variance after the last step deviates",
    ),
    "a running variance that is off by less than float32 shows": (
        broken.SlightlyLargerVariance,
        RESNET,
        r"float64 losses agree, batchnorm1\.variance after the last step deviates by \d\.\de-0[78]",
    ),
    "BatchNorm's epsilon outside of the root": (
        broken.EpsilonOutsideTheRoot,
        RESNET,
        r"outputs part at layer 1, BatchNorm",
    ),
    "evaluation by the batch's statistics": (
        broken.EvaluatesByTheBatch,
        RESNET,
        r"outputs of an evaluation by its batches' own statistics",
    ),
    "statistics moved by evaluations": (
        broken.MovesInEvaluations,
        RESNET,
        r"weights in batchnorm1\.mean after an evaluation, which moves it",
    ),
    "training by the running statistics": (
        broken.TrainsByTheRunning,
        RESNET,
        r"that of the running statistics: training has to normalise by its batch's",
    ),
    "LayerNorm's unbiased variance": (broken.LayerNormUnbiased, VIT, r"outputs part at layer 3\.branch\.0, LayerNorm"),
    "RMSNorm's epsilon outside of the root": (
        broken.RMSNormEpsilonOutsideTheRoot,
        ROOTS,
        r"outputs part at layer 2, RMSNorm",
    ),
    "RMSNorm's weight added to one": (broken.RMSNormWeightAddedToOne, ROOTS, r"outputs part at layer 2, RMSNorm"),
    "an LSTM's gates in another order": (broken.GatesInAnotherOrder, RECURRENT, r"outputs part at layer 1, LSTM"),
    "an LSTM's first output for its last": (
        broken.LastOutputOfTheFirstStep,
        RECURRENT,
        r"outputs part at layer 1, LSTM",
    ),
    "heads interleaved": (broken.HeadsInterleaved, VIT, r"outputs part at layer 3\.branch\.1, SelfAttention"),
    "attention not scaled": (broken.AttentionUnscaled, VIT, r"outputs part at layer 3\.branch\.1, SelfAttention"),
    "patches column by column": (broken.PatchesByColumns, VIT, r"outputs part at layer 0, Patches"),
    "tanh GELU for erf": (broken.TanhGelu, VIT, r"outputs part at layer 4\.branch\.2, Activation\(function='gelu'\)"),
    "depthwise groups shuffled": (broken.GroupsShuffled, MOBILE, r"outputs part at layer 3, Conv2D\(.*groups=4"),
    "a shortcut left out": (broken.ShortcutLeftOut, RESNET, r"outputs part at layer 3, the sum of its Residual"),
    "weight decay inside Adam's gradient": (
        broken.DecayInTheGradient,
        VIT,
        r"gradients agree, the first update of dense1\.weight differs",
    ),
    "no weight decay of biases and norms": (
        broken.DecaysNoVectors,
        VIT,
        r"first update of dense1\.bias differs.*: it is that without weight decay",
    ),
    "smoothing over the other classes": (
        broken.SmoothedOverTheOthers,
        RESNET,
        r"the loss is .*, and that of a label_smoothing of 0\.111111",
    ),
    "momentum without Nesterov": (
        broken.PlainMomentum,
        MOBILE,
        r"first update of conv1\.weight .*: it is that of momentum without Nesterov's step",
    ),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder of pictures of ten classes, and a folder for each recipe, in which the reference's finds stay."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    pictures = generator.random((10, 1, SIZE, SIZE)) > 0.6
    for part, size in (("train", IMAGES), ("test", 200)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        noise = generator.integers(60, 256, (size, 1, SIZE, SIZE))
        np.save(
            folder / f"{part}_images.npy",
            (pictures[labels] * noise + generator.integers(0, 40, noise.shape)).clip(0, 255).astype(np.uint8),
        )
        np.save(folder / f"{part}_labels.npy", labels)
    return folder


@pytest.fixture(scope="module")
def prove(data):
    def go(adapter_class, recipe, steps=STEPS):
        folder = data / recipe.name
        if not folder.exists():
            folder.mkdir()
            prepare_inputs(folder, recipe, 3, IMAGES, 2)
        cell = {"device": "cpu", "mode": "eager", "dtype": "float32", "batch_size": 20, "input": "preloaded"}
        return prove_module.prove(adapter_class, recipe, cell, data, folder, steps)

    return go


@pytest.mark.parametrize("recipe", [RESNET, VIT, ROOTS, RECURRENT, MOBILE], ids=lambda recipe: recipe.name)
def test_an_honest_adapter_passes(prove, recipe):
    assert prove(NumpyAdapter, recipe)["why"] == ""


@pytest.mark.parametrize("name", CASES)
def test_a_broken_convention_is_caught_and_the_cause_is_named(prove, name):
    adapter_class, recipe, words = CASES[name]
    verdict = prove(adapter_class, recipe)
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"
    assert re.search(words, verdict["why"]), verdict["why"]


def test_where_rounding_grows_the_reference_itself_is_the_measure_and_a_fault_still_shows(prove):
    """At a stranger's rate torch parted from the reference by 1.1e-12 at step 57, and was refused."""
    honest = prove(broken.OneByOne, QUICK, 100)
    assert (honest["lockstep"], honest["why"]) == ("pass", "")
    assert 1e-12 < honest["float64_deviation"] < 1e-9
    wrong = prove(broken.RateALittleOff, QUICK, 100)
    assert re.search(r"float64 losses part at step \d+ by .* \(bound \de-\d+\)", wrong["why"]), wrong["why"]
