"""Adapters broken on purpose: each must be caught by the gate, with a message that points at the cause.

They break the NumPy adapter, so that they run without any framework; the gate asks only what the contract offers.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import INPUTS, ContractError
from adapters.declaration import SGD, Activation, Adam, AvgPool2D, Conv2D, Dense, Flatten, MaxPool2D, Model
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from benchmarks.worker.inputs import prepare_inputs
from benchmarks.worker.lockstep import prove as prove_module
from benchmarks.worker.lockstep import reference
from benchmarks.worker.lockstep.bounds import BOUNDS, decided
from benchmarks.worker.lockstep.reference import at_places, tie_free_batches
from tests.sweeps import broken

STEPS = 12
MOMENTUM = replace(RECIPES["mlp"], optimiser=SGD(0.01, momentum=0.9))
ADAM = replace(RECIPES["mlp"], optimiser=Adam(0.001))


RECIPE = RECIPES["mlp"]
LENET = RECIPES["lenet"]
CASES = {
    "tanh for relu in one layer": (
        broken.with_layer(Activation("relu"), Activation("tanh")),
        RECIPE,
        r"outputs part at layer 2, Activation.*relu",
    ),
    "average for max pooling": (
        broken.with_layer(MaxPool2D(2, 2), AvgPool2D(2, 2)),
        LENET,
        r"outputs part at layer 2, MaxPool2D",
    ),
    "same for valid padding": (
        broken.with_layer(Conv2D(28, 3), Conv2D(28, 3, padding=1)),
        RECIPES["cnn_28_dense"],
        r"built .*'dense1.weight': \(21952, 128\).*declares .*'dense1.weight': \(18928, 128\)",
    ),
    "Glorot with the wrong fan": (broken.OwnInitialiser, RECIPE, r"set_weights does not keep dense1\.weight"),
    "a bias forgotten": (broken.ForgottenBias, RECIPE, r"gradient of dense2\.bias parts"),
    "rate off by 1e-6": (broken.WrongRate, RECIPE, r"first update of dense1\.weight differs.*1\.000001 times"),
    "loss summed": (broken.SummedLoss, RECIPE, rf"the loss is {prove_module.FREE_BATCH} times the declared one"),
    "momentum's dampening": (
        broken.Dampened,
        MOMENTUM,
        r"update 2, after equal ones: the optimiser's state, of dense1",
    ),
    "Adam's epsilon inside the root": (
        broken.EpsilonInsideTheRoot,
        ADAM,
        r"gradients agree, the first update of dense1",
    ),
    "Adam's epsilon-hat": (broken.EpsilonHat, ADAM, r"gradients agree, the first update of dense1"),
    "Adam not bias-corrected": (broken.NoBiasCorrection, ADAM, r"gradients agree, the first update of dense1"),
    "NHWC flatten without the permutation": (broken.WrongFlatten, LENET, r"outputs part at layer 7, Dense"),
    "batch order off by one": (broken.ShiftedOrder, RECIPE, r"step 1 is taken on batch 2"),
    "last batch dropped in training": (broken.DropsTheLastBatch, RECIPE, r"step 12 by .*was not trained on"),
    "last batch dropped in evaluation": (
        broken.DropsTheLastTestBatch,
        RECIPE,
        r"evaluation returned outputs \(750, 10\)",
    ),
    "pixels 0..255": (broken.RawPixels, RECIPE, r"outputs are those of pixels multiplied by 255"),
    "float32 where float64 was asked": (broken.Float32Inside, RECIPE, r"is it computed in float32\?"),
    "evaluation one step late": (broken.StaleEvaluation, RECIPE, r"evaluation after a step, though training agrees"),
    "softmax twice": (broken.SoftmaxTwice, RECIPE, r"outputs part at layer 5|another layer at the end"),
    "no backward pass": (broken.SkipsBackward, RECIPE, r"the loss is .* times the declared one"),
}

REFUSED = {"same for valid padding"}  # another number of weights: the contract refuses it before the gate runs


@pytest.fixture
def prove(tmp_path):
    def go(adapter_class, recipe, dtype="float64", input="preloaded", steps=STEPS):
        generator = np.random.default_rng(0)
        pictures = np.random.default_rng(9).random((10, 1, 28, 28)) > 0.8
        for part, size in (("train", 700), ("test", 200)):
            labels = (np.arange(size) % 10).astype(np.uint8)
            noise = generator.integers(100, 256, (size, 1, 28, 28))
            np.save(tmp_path / f"{part}_images.npy", (pictures[labels] * noise).astype(np.uint8))
            np.save(tmp_path / f"{part}_labels.npy", labels)
        prepare_inputs(tmp_path, recipe, 3, 700, 2)
        cell = {"device": "cpu", "mode": "eager", "dtype": dtype, "batch_size": 50, "input": input}
        return prove_module.prove(adapter_class, recipe, cell, tmp_path, tmp_path, steps)

    return go


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "recipe",
    [RECIPE, LENET, MOMENTUM, ADAM, RECIPES["lenet_tutorial"]],  # the last one's windows are full of near ties
    ids=["mlp", "lenet", "momentum", "adam", "lenet_tutorial"],
)
@pytest.mark.parametrize("input", INPUTS)
def test_an_honest_adapter_passes(prove, recipe, dtype, input):
    verdict = prove(NumpyAdapter, recipe, dtype, input)
    assert (verdict["lockstep"], verdict["why"]) == ("pass", "")
    assert verdict["steps"] == STEPS
    assert set(verdict["by_step"]) == {"1", "2", "5", "10"}
    assert len(verdict["oracle_sha256"]) == 64


@pytest.mark.parametrize("name", CASES)
def test_a_broken_adapter_is_caught_and_the_cause_is_named(prove, name):
    adapter_class, recipe, words = CASES[name]
    if name in REFUSED:
        with pytest.raises(ContractError, match=words) as caught:
            prove(adapter_class, recipe)
        print(f"{name}: {caught.value}")
        return
    verdict = prove(adapter_class, recipe)
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"
    assert re.search(words, verdict["why"]), verdict["why"]


FED = {
    "fed batches shifted by one": (broken.FeedShifted, r"step 1 is taken on batch 2"),
    "fed pixels not scaled": (broken.FeedOfRawPixels, r"the pixels that are fed are multiplied by 255"),
    "fed in the order of memory": (broken.FeedWithoutOrder, r"step 1 by"),
    "fed labels of other samples": (broken.FeedOfOtherLabels, r"step 1 by"),
    "fed the first batch for ever": (broken.FeedThatStandsStill, r"step 2 is taken on batch 1"),
}


@pytest.mark.parametrize("name", FED)
def test_a_broken_feed_is_caught_where_cells_are_fed_and_only_there(prove, name):
    adapter_class, words = FED[name]
    verdict = prove(adapter_class, RECIPE, input="host")
    print(f"{name}: {verdict['why']}")
    assert verdict["lockstep"] == "fail"
    assert re.search(words, verdict["why"]), verdict["why"]
    assert prove(adapter_class, RECIPE)["lockstep"] == "pass"


def test_a_feed_that_is_broken_in_the_cell_s_dtype_alone_is_caught(prove):
    class Broken(broken.FeedOfRawPixels):
        def feed(self, images, labels, order):
            wrong = self.dtype == "float32"
            return (super() if wrong else super(broken.FeedOfRawPixels, self)).feed(images, labels, order)

    assert re.match(r"float32 loss at step 1 deviates", prove(Broken, RECIPE, "float32", "host")["why"])


@pytest.mark.parametrize(("bits", "precision", "narrower"), [(10, "tf32", 7), (7, "bfloat16", 3), (10, "float16", 7)])
@pytest.mark.parametrize("recipe", [RECIPE, LENET, ADAM], ids=["mlp", "lenet", "adam"])
def test_narrow_operands_fail_as_float32_and_pass_by_their_own_bounds(prove, recipe, bits, precision, narrower):
    verdict = prove(broken.with_operands(bits), recipe, "float32")
    print(f"{precision} where float32 was asked: {verdict['why']}")
    assert re.match(r"float32 (loss|gradient) .* deviates by", verdict["why"])
    assert verdict["float64_deviation"] < 1e-12
    assert prove(broken.with_operands(bits, precision), recipe, precision)["why"] == ""
    why = prove(broken.with_operands(narrower, precision), recipe, precision)["why"]
    print(f"{narrower} bits where {precision} was asked: {why}")
    assert re.match(rf"{precision} (loss|gradient|weights|outputs) .* deviates by", why)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("recipe", [RECIPE, LENET, ADAM], ids=["mlp", "lenet", "adam"])
def test_float32_where_narrow_operands_were_asked_is_caught(prove, recipe, dtype):
    why = prove(broken.Float32Throughout, recipe, dtype)["why"]
    print(f"float32 where {dtype} was asked: {why}")
    assert re.match(rf"{dtype} gradients deviate by no more than .*computed in float32\?", why)


def test_float32_where_tf32_is_allowed_is_nobody_s_fault(prove):
    assert prove(broken.Float32Throughout, RECIPE, "tf32")["lockstep"] == "pass"


@pytest.mark.parametrize(
    ("adapter_class", "words"),
    [
        (broken.NarrowTrainingAlone, r"bfloat16 outputs deviate by no more than"),
        (broken.NarrowGradientsAlone, r"bfloat16 updates deviate by no more than"),
        (broken.HalfTheGradients, r"bfloat16 gradient of .* at step 1 deviates by 5\.\de-01"),
        (broken.WrongBiasInNarrow, r"bfloat16 outputs .* deviates by"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_in_a_narrow_precision_alone_is_caught(prove, adapter_class, words):
    verdict = prove(adapter_class, RECIPE, "bfloat16")
    print(f"{adapter_class.__name__}: {verdict['why']}")
    assert verdict["float64_deviation"] < 1e-12
    assert re.match(words, verdict["why"]), verdict["why"]


@pytest.mark.parametrize(("bits", "precision"), [(7, "bfloat16"), (10, "float16")])
@pytest.mark.parametrize("change", [broken.zeros, broken.last_bias, broken.mean_output])
@pytest.mark.parametrize("recipe", ["mlp_tutorial", "lenet_tutorial"])
def test_outputs_that_know_nothing_of_the_image_are_caught_however_small_outputs_are(
    prove, recipe, change, bits, precision
):
    why = prove(broken.evaluating(change, bits, precision), RECIPES[recipe], precision)["why"]
    print(f"{recipe}, {change.__name__}: {why}")
    assert re.match(rf"{precision} outputs of an evaluation after a step.* deviates by", why)


@pytest.mark.parametrize(("bits", "precision"), [(7, "bfloat16"), (10, "float16")])
@pytest.mark.parametrize("recipe", ["mlp_tutorial", "lenet_tutorial", "linear", "mlp_sigmoid"])
def test_honest_narrow_operands_pass_however_small_outputs_are(prove, recipe, bits, precision):
    assert prove(broken.with_operands(bits, precision), RECIPES[recipe], precision)["why"] == ""


@pytest.mark.parametrize(
    ("adapter_class", "recipe", "words"),
    [
        (broken.ZeroesLabels, RECIPE, r"float32 (loss|gradient) .* deviates by"),
        (broken.ScalesItsBatch, RECIPE, r"float32 loss at step 1, its batch used again, deviates by"),
        (broken.ScalesItsTestBatch, RECIPE, r"float32 outputs .* from trained weights, though .* deviates by"),
    ],
    ids=["labels", "batch", "test batch"],
)
def test_what_an_adapter_does_to_its_batches_is_caught(prove, adapter_class, recipe, words):
    why = prove(adapter_class, recipe, "float32")["why"]
    print(f"{adapter_class.__name__}: {why}")
    assert re.match(words, why), why


def test_what_is_wrong_at_larger_activations_alone_is_caught_at_trained_weights(prove):
    small = Model("small", (Flatten(), Dense(16), Activation("tanh"), Dense(10)))
    recipe = replace(RECIPE, model=small, optimiser=SGD(0.05))  # reaches 1.5 in five steps, 2.1 in sixty
    why = prove(broken.with_saturated_tanh(1.8), recipe, "float32", steps=60)["why"]
    assert re.match(r"float32 gradient .* at step 1 from trained weights deviates by", why), why


@pytest.mark.parametrize(("adapter_class", "verdict"), [(NumpyAdapter, "pass"), (broken.WrongRate, "fail")])
def test_the_float64_run_is_made_once_for_all_batch_sizes_of_a_process(prove, tmp_path, adapter_class, verdict):
    runs = []

    class Counted(adapter_class):
        def build(self):
            super().build()
            runs.append(self.dtype)

    prove(NumpyAdapter, RECIPE)  # writes data
    known, cell = {}, {"device": "cpu", "mode": "eager", "dtype": "float32", "batch_size": 50, "input": "preloaded"}
    cells = [cell, cell | {"batch_size": 20}, cell | {"input": "host"}]
    found = [prove_module.prove(Counted, RECIPE, one, tmp_path, tmp_path, STEPS, known) for one in cells]
    assert [one["lockstep"] for one in found] == [verdict] * 3
    assert found[0]["by_step"] == found[1]["by_step"]
    assert runs.count("float64") == 2  # of each input, one
    assert runs.count("float32") == (3 if verdict == "pass" else 0)


def test_a_data_set_of_one_image_whose_loss_nears_zero_is_no_shifted_order(prove, tmp_path):
    class RoundsOtherwise(NumpyAdapter):
        def differentiate(self, images, labels):
            return super().differentiate(images, labels) + 1e-15

    prove(NumpyAdapter, RECIPE, steps=1)  # writes data
    (tmp_path / "losses.npy").unlink()
    np.save(tmp_path / "train_images.npy", np.load(tmp_path / "train_images.npy")[:1])
    np.save(tmp_path / "train_labels.npy", np.zeros(1, np.uint8))
    prepare_inputs(tmp_path, RECIPE, 3, 1, 1)
    cell = {"device": "cpu", "mode": "eager", "dtype": "float64", "batch_size": 1, "input": "preloaded"}
    verdict = prove_module.prove(RoundsOtherwise, RECIPE, cell, tmp_path, tmp_path, 100)
    assert np.load(tmp_path / "losses.npy").min() < 1e-3  # where 1e-15 is more than 1e-12, relative
    assert verdict["why"] == ""


def test_what_an_adapter_is_handed_is_its_own(prove, monkeypatch):
    kept = {}
    original = prove_module._Judge.restart

    def watched(self, known, *arguments):
        kept.update({name: array.copy() for name, array in known.starts[""].items()})
        original(self, known, *arguments)
        assert all((array == kept[name]).all() for name, array in known.starts[""].items())

    monkeypatch.setattr(prove_module._Judge, "restart", watched)
    verdict = prove(broken.TrainsWhatItWasHanded, RECIPE)
    assert (verdict["lockstep"], verdict["why"]) == ("pass", "")
    assert not kept["dense1.bias"].any()  # as they were written, not as they were trained


def test_data_that_something_has_written_to_prove_nothing(prove, tmp_path):
    class Writes(NumpyAdapter):
        def evaluate(self, preloaded, first, count):
            np.load(tmp_path / "train_images.npy", mmap_mode="r+")[0, 0, 0] = 7
            return super().evaluate(preloaded, first, count)

    assert prove(Writes, RECIPE)["why"].endswith("something wrote to them")


def test_adam_s_float32_step_is_judged_where_the_gradient_is_more_than_its_rounding(prove):
    class WrongStep(NumpyAdapter):
        def update(self):
            self.rate *= 1.01 if self.dtype == "float32" else 1
            super().update()

    assert re.match(r"float32 weights after step 1 deviates", prove(WrongStep, ADAM, "float32")["why"])


def test_single_steps_are_taken_on_the_batches_that_no_rounding_can_flip(prove, monkeypatch):
    chosen, seen = [], []

    def spied(*arguments):
        places, sure = tie_free_batches(*arguments)
        chosen.append(at_places(*arguments[1:3], places)[1])
        return places, sure

    class Watched(NumpyAdapter):
        def put(self, images, labels):
            if self.dtype == "float32":
                seen.append(labels)
            return super().put(images, labels)

    monkeypatch.setattr(reference, "tie_free_batches", spied)
    assert prove(Watched, RECIPE, "float32")["lockstep"] == "pass"
    np.testing.assert_array_equal(seen[1], chosen[0])  # after the test images


def test_a_step_of_adam_decides_only_where_the_gradient_is_more_than_its_rounding():
    gradients = {"weight": np.array([[1.0, 1e-5], [-0.5, 0.0]]), "bias": np.array([1e-9, -2e-9])}
    bounds = BOUNDS["float32"]
    assert decided(Adam(), gradients, bounds.gradient).tolist() == [True, False, True, False, True, True]
    assert decided(SGD(0.1), gradients, bounds.gradient).all()
