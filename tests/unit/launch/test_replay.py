"""Timed steps that the reference network takes again: an honest run passes, each kind of dishonest one does not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.launch.replay import Judge, PartedOracle, _Deviation
from benchmarks.plan.cells import Cell
from benchmarks.worker import replay
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.lockstep.bounds import ReplayBounds
from benchmarks.worker.speed import CHUNKS, speeds

BATCH = 20


def write_digits(folder, noise):
    """Write 250 training and 70 test images: each digit is a picture of its own, dark but for a fifth, with noise."""
    generator = np.random.default_rng(5)
    pictures = np.random.default_rng(99).random((10, 1, 28, 28)) > 0.8
    for part, size in (("train", 250), ("test", 70)):
        labels = generator.integers(0, 10, size)
        images = pictures[labels] * (1 - noise) + generator.random((size, 1, 28, 28)) * noise
        np.save(folder / f"{part}_images.npy", (255 * images).astype(np.uint8))
        np.save(folder / f"{part}_labels.npy", labels.astype(np.uint8))


@pytest.fixture
def judged(clock, tmp_path):
    """Time an adapter by a clock that only its steps move, and judge what it left."""
    write_digits(tmp_path, 0.1)

    def run(adapter_class, recipe="mlp", chunk_steps=7, judged_steps=20, change=lambda file: None, input="preloaded"):
        declared = RECIPES[recipe]
        prepare_inputs(tmp_path, declared, 0, 250, 1)
        opened = {dtype: Inputs.open(tmp_path, tmp_path, declared.pixels, dtype) for dtype in ("float32", "float64")}
        adapter_class.clock = clock
        adapter = adapter_class(declared)
        adapter.set_weights(opened["float32"].weights)
        plan = {"chunk_steps": chunk_steps, "warm_up_chunks": 1, "eval_passes": 1}
        file = tmp_path / "evidence.npz"
        speeds(adapter, opened["float32"], BATCH, plan, input, judged_steps=judged_steps, evidence=file)
        change(file)
        cell = Cell("numpy", recipe, "some", "cpu", BATCH, "eager", "float32", 1)
        return Judge(cell, declared, opened["float64"]).columns(file)

    return run


class Honest(NumpyAdapter):
    """Takes a hundredth of a second a step by the simulated clock."""

    def step(self, images, labels):
        self.clock.sleep(0.01)
        return super().step(images, labels)

    def evaluate(self, preloaded, first, count):
        self.clock.sleep(0.01)
        return super().evaluate(preloaded, first, count)


@pytest.mark.parametrize("input", ["preloaded", "host"])
@pytest.mark.parametrize(("chunk_steps", "steps"), [(1, 10), (7, 21), (20, 20), (90, 20)])
def test_an_honest_run_passes_however_long_its_chunks_are(judged, chunk_steps, steps, input):
    row = judged(Honest, chunk_steps=chunk_steps, input=input)
    assert "status" not in row, row
    assert row["replayed_steps"] == steps
    assert 0 <= row["replay_deviation"] < 1e-4
    assert row["replay_scale_deviation"] <= row["replay_deviation"]
    assert row["eval_deviation"] < 1e-5


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        *((recipe, size) for recipe in ("mlp", "lenet", "lenet5") for size in (1, 7, 150)),
        *((recipe, 7) for recipe in ("resnet", "vit", "lstm", "mobile")),
    ],
)
@pytest.mark.parametrize("cores", [1, 3])
def test_the_reference_network_in_parts_takes_the_steps_of_the_whole_one(recipe, size, cores, monkeypatch):
    monkeypatch.setattr("benchmarks.launch.replay.physical_cpus", lambda: list(range(cores)))
    declared = RECIPES[recipe]
    generator = np.random.default_rng(0)
    batches = generator.random((3, size, 1, 28, 28)), generator.integers(0, 10, (3, size))
    whole, parted = NumpyAdapter(declared, dtype="float64"), PartedOracle(declared, dtype="float64")
    for network in (whole, parted):
        network.set_weights(initial_weights(declared.model, declared.initialiser, 0))
    losses = [network.train(placed := network.put(*batches), 0, 3) or placed.losses for network in (whole, parted)]
    np.testing.assert_allclose(*losses, rtol=1e-13)
    found, expected = parted.get_weights(), whole.get_weights()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-13)


def test_the_row_has_the_largest_deviation_of_any_parameter(tmp_path, monkeypatch):
    """Of the first one here, and of one that has not moved as the last one: neither place nor order counts."""
    write_digits(tmp_path, 0.1)
    recipe = RECIPES["mlp"]
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float64")
    judge = Judge(Cell("numpy", "mlp", "some", "cpu", BATCH, "eager", "float64", 1), recipe, inputs)
    start = inputs.weights
    after = judge._taken_again(replay.Window(0, 0, 1, start, {}), start)
    after["dense1.bias"] += 0.3 * (after["dense1.bias"] - start["dense1.bias"])
    monkeypatch.setattr(judge, "bounds", ReplayBounds(1.0, 1.0, 1.0))
    row = judge._trained([replay.Window(0, 0, 1, start, after)])
    assert row["replay_parameter_deviation"] == pytest.approx(0.3)


def test_where_the_optimiser_remembers_all_of_a_chunk_is_taken_again(judged):
    row = judged(Honest, "lenet5", chunk_steps=4, judged_steps=3)
    assert ("status" not in row, row["replayed_steps"]) == (True, 4)


def test_steps_that_rounding_leads_apart_are_not_judged(tmp_path, monkeypatch):
    """All images are one, and every unit of the first layer lies at the bend of its ReLU: rounding decides each."""
    write_digits(tmp_path, 0.1)
    image = np.load(tmp_path / "train_images.npy")[:1]
    np.save(tmp_path / "train_images.npy", np.repeat(image, 250, axis=0))
    recipe = RECIPES["mlp"]
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = {dtype: Inputs.open(tmp_path, tmp_path, recipe.pixels, dtype) for dtype in ("float32", "float64")}
    pixels, labels = next(inputs["float64"].train(0, BATCH))
    factors = np.random.default_rng(1).uniform(0.1, 1, 128)
    start = inputs["float64"].weights | {
        "dense1.weight": np.outer(pixels[0, 0].ravel(), factors),
        "dense1.bias": -factors * np.square(pixels[0, 0]).sum(),
    }
    adapter = NumpyAdapter(recipe)
    adapter.set_weights(start)
    start = adapter.get_weights()
    adapter.train(adapter.put(pixels.astype(np.float32), labels), 0, 1)
    window = replay.Window(0, 0, 1, start, adapter.get_weights())
    judge = Judge(Cell("numpy", "mlp", "some", "cpu", BATCH, "eager", "float32", 1), recipe, inputs["float64"])
    assert judge._trained([window]) == {}
    monkeypatch.setattr("benchmarks.launch.replay.CHANCE", 0.0)
    assert judge._trained([window])["status"] == "invalid"


@pytest.mark.parametrize(
    ("scale", "status", "judged"), [(1e-3, None, True), (1e-5, "invalid", True), (1e-2, None, False)]
)
def test_rounding_has_to_explain_each_deviation_that_is_beyond_its_bound(tmp_path, monkeypatch, scale, status, judged):
    """Half of a batch was excused in one launch of thirty: a perturbed run had moved elsewhere, and no less far.

    Where rounding may change the length by 10 %, a rate that is 5 % off would hide: that is not judged.
    """
    write_digits(tmp_path, 0.1)
    recipe = RECIPES["mlp"]
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float64")
    judge = Judge(Cell("numpy", "mlp", "some", "cpu", BATCH, "eager", "float32", 1), recipe, inputs)
    found = [_Deviation("all", 0.11, "what moved"), _Deviation("scale", 7e-3, "how far")]
    perturbed = [_Deviation("all", 0.02, ""), _Deviation("scale", scale, "")]
    answers = iter([found])
    monkeypatch.setattr(judge, "_deviations", lambda *arguments: next(answers, perturbed))
    row = judge._trained([replay.Window(0, 0, 1, inputs.weights, inputs.weights)])
    assert row.get("status") == status
    assert ("replayed_steps" in row) == judged


def test_what_chance_does_is_found_again_only_where_it_does_not_explain_another_window(tmp_path, monkeypatch):
    write_digits(tmp_path, 0.1)
    recipe = RECIPES["mlp"]
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float64")
    judge = Judge(Cell("numpy", "mlp", "some", "cpu", BATCH, "eager", "float32", 1), recipe, inputs)
    deviations = iter([0.1, 0.11, 0.15, 0.14])
    monkeypatch.setattr(judge, "_deviations", lambda *_: [_Deviation("all", next(deviations), "what moved")])
    chances = iter([0.12, 0.16])
    monkeypatch.setattr(judge, "_by_chance", lambda *_: {"all": next(chances), "scale": 0.0, "parameter": 0.0})
    window = replay.Window(0, 0, 1, inputs.weights, inputs.weights)
    assert judge._trained([window] * 4) == {"replayed_steps": 4, "replay_deviation": 0.15}
    assert not list(chances)


def test_what_excuses_one_window_excuses_no_other(tmp_path, monkeypatch):
    """The first is not stable; the second is, and its steps have a wrong rate."""
    write_digits(tmp_path, 0.1)
    recipe = RECIPES["mlp"]
    prepare_inputs(tmp_path, recipe, 0, 250, 1)
    inputs = Inputs.open(tmp_path, tmp_path, recipe.pixels, "float64")
    judge = Judge(Cell("numpy", "mlp", "some", "cpu", BATCH, "eager", "float32", 1), recipe, inputs)
    monkeypatch.setattr(judge, "_deviations", lambda *_: [_Deviation("scale", 0.05, "how far")])
    chances = iter([{"all": 1.0, "scale": 0.5, "parameter": 1.0}, {"all": 0.0, "scale": 0.0, "parameter": 0.0}])
    monkeypatch.setattr(judge, "_by_chance", lambda *_: next(chances))
    window = replay.Window(0, 0, 1, inputs.weights, inputs.weights)
    assert judge._trained([window] * 2)["status"] == "invalid"


class EveryOther(Honest):
    """Trains honestly for 60 steps, then takes every other one: the proof, which came before, is passed."""

    asked = 0

    def step(self, images, labels):
        self.asked += 1
        if self.asked > 60 and self.asked % 2:
            self.clock.sleep(0.01)
            return 0.0
        return super().step(images, labels)


class RateOff(Honest):
    """Has a rate that is 5 % too large."""

    def set_weights(self, weights):
        super().set_weights(weights)
        self.rate = 1.05 * self.recipe.optimiser.rate


class HalfOfABatch(Honest):
    """Trains on half of the first batch of each epoch, the rest of it being the same again."""

    def train(self, preloaded, first, count):
        for index in range(first, first + count):
            index %= preloaded.steps
            images, labels = preloaded.images[index], preloaded.labels[index]
            if index == 0:
                images, labels = images[:, : BATCH // 2], labels[: BATCH // 2]
            preloaded.losses[index] = self.step(images, labels)


class Stale(Honest):
    """Puts back an old copy of the first layer's weights after each stretch of steps."""

    def train(self, preloaded, first, count):
        copy = self.weighted[0].weight.copy()
        super().train(preloaded, first, count)
        self.weighted[0].weight = copy


@pytest.mark.parametrize("adapter", [EveryOther, RateOff, HalfOfABatch, Stale])
@pytest.mark.parametrize(("chunk_steps", "judged_steps"), [(7, 70), (90, 20)])
def test_a_run_that_takes_other_steps_is_invalid(judged, adapter, chunk_steps, judged_steps):
    """All short chunks are judged: three of them drawn by chance need not have the one step in ten that is wrong."""
    row = judged(adapter, chunk_steps=chunk_steps, judged_steps=judged_steps)
    assert row["status"] == "invalid"
    assert "the timed steps are not the declared ones" in row["reason"]


class SumsOneByOne(Honest):
    """Has a BatchNorm whose inverse deviations are off by 6.6e-5 in float32, as torch's are with channels last."""

    def build(self):
        super().build()
        for layer in self.keeping:
            layer.forward = partial(self.off, layer, layer.forward)

    def off(self, layer, forward, x):
        y = forward(x)
        if layer.training:
            share = 6.6e-5 * np.random.default_rng(len(layer.mean)).uniform(-1, 1, len(layer.mean)).astype(y.dtype)
            y += layer.along(layer.weight * share) * layer.normal
        return y


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        *((Honest, None), (SumsOneByOne, None), (RateOff, "what"), (EveryOther, "what"), (Stale, "what 3 steps")),
        (HalfOfABatch, "what"),
    ],
)
def test_steps_of_a_batch_norm_may_part_as_sums_do_and_no_further(judged, monkeypatch, adapter, words):
    monkeypatch.setattr("benchmarks.worker.lockstep.bounds.FLIPPED_MOST", 0.1)  # of a small batch are wider
    row = judged(adapter, "mobile", chunk_steps=3, judged_steps=21)
    assert ("status" in row) == (words is not None), row
    assert words is None or f"not the declared ones: {words}" in row["reason"]


class LastOutputs(Honest):
    """Computes its outputs once, then returns them again."""

    outputs = None

    def evaluate(self, preloaded, first, count):
        self.outputs = self.outputs or super().evaluate(preloaded, first, count)
        self.clock.sleep(0.01)
        return self.outputs


def test_outputs_that_are_those_of_other_weights_are_invalid(judged):
    row = judged(LastOutputs)
    assert row["status"] == "invalid"
    assert "outputs of the last evaluation deviate" in row["reason"]


def test_a_worker_that_leaves_no_steps_is_invalid(judged):
    row = judged(Honest, change=lambda file: replay.write(file, [], replay.read(file)[1]))
    assert (row["status"], row["reason"]) == ("invalid", "the worker left none of its timed steps")


@pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.write_bytes(b"no archive")])
def test_a_file_that_is_missing_or_spoiled_is_invalid(judged, change):
    row = judged(Honest, change=change)
    assert (row["status"], "cannot be read" in row["reason"]) == ("invalid", True)


def test_chunks_that_are_kept_are_drawn_anew_each_time(judged, tmp_path):
    found = set()
    for _ in range(6):
        judged(Honest, chunk_steps=10, change=lambda file: found.add(tuple(w.chunk for w in replay.read(file)[0])))
    assert len(found) > 1
    assert all(len(chunks) == 2 and max(chunks) < CHUNKS for chunks in found)


def test_steps_of_a_small_batch_are_held_to_a_bound_of_their_own():
    few, many = (
        Judge(Cell("numpy", "mlp", "some", "cpu", size, "eager", "float32", 1), RECIPES["mlp"], inputs=None)
        for size in (10, 100)
    )
    assert few.bounds.all == pytest.approx(0.05)
    assert many.bounds.all == pytest.approx(0.01)
