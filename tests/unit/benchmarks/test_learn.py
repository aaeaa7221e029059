from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import PIPELINES
from adapters.declaration import SGD, Exponential
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.batches import Inputs, write_inputs
from benchmarks.learn import learn, train_epoch

RECIPE = replace(RECIPES["mlp"], stop_when_accuracy_falls=True)


@pytest.fixture
def inputs(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)
    for part, size in (("train", 105), ("test", 30)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        shown = (labels + (np.arange(size) % 3 == 0)) % 10 if part == "test" else labels  # a third is mislabelled
        np.save(tmp_path / f"{part}_images.npy", pictures[shown])
        np.save(tmp_path / f"{part}_labels.npy", labels)
    write_inputs(tmp_path, initial_weights(RECIPE.model, RECIPE.initialiser, 0), 0, 105, 6)
    return Inputs.open(tmp_path, tmp_path, RECIPE.pixels, "float32")


def train(inputs, recipe, adapter_class=NumpyAdapter, epochs=6):
    return learn(adapter_class(recipe), inputs, 20, epochs)


class Forgets(NumpyAdapter):
    """Learns for three epochs of six batches, then loses its weights."""

    def update(self):
        super().update()
        if self.step_count == 18:
            for array in self.arrays():
                array[...] = 0


def test_stops_after_the_epoch_in_which_training_accuracy_falls(inputs):
    learnt = train(inputs, RECIPE, Forgets)
    assert learnt["epochs"] == len(learnt["accuracy_by_epoch"]) == 4
    assert train(inputs, RECIPE)["epochs"] == 6
    assert train(inputs, replace(RECIPE, stop_when_accuracy_falls=False), Forgets)["epochs"] == 6


def test_watching_the_accuracy_changes_nothing_that_is_learnt(inputs):
    watched, plain = (train(inputs, replace(RECIPE, stop_when_accuracy_falls=stop)) for stop in (True, False))
    assert watched == plain


@pytest.mark.parametrize("stop", [True, False])
def test_what_is_fed_is_learnt_as_what_is_resident(inputs, stop):
    recipe = replace(RECIPE, stop_when_accuracy_falls=stop)
    resident, fed = (learn(NumpyAdapter(recipe), inputs, 20, 3, pipeline) for pipeline in PIPELINES)
    assert fed == resident


def test_feeds_train_where_feeding_was_asked_for_and_are_ended(inputs):
    open_feeds = []

    class Watched(NumpyAdapter):
        def feed(self, images, labels, order):
            made = super().feed(images, labels, order)
            open_feeds.append(made)
            made.close = lambda: open_feeds.remove(made)
            return made

        def train(self, resident, first, count):
            raise AssertionError("trained on resident batches")

    assert learn(Watched(RECIPE), inputs, 20, 2, "host")["epochs"] == 2
    assert not open_feeds


def test_the_remainder_is_trained_on_and_the_accuracy_is_that_before_each_step(inputs):
    adapter = NumpyAdapter(RECIPE)
    adapter.set_weights(inputs.weights)
    loss, accuracy = train_epoch(adapter, inputs, 0, 20)
    assert adapter.step_count == 6  # five batches of 20 and one of 5
    assert loss > 0
    assert accuracy < 0.9
    assert train_epoch(adapter, inputs, 1, 20)[1] > accuracy


def test_a_loss_that_is_not_finite_ends_as_nan(inputs):
    with np.errstate(all="ignore"):
        learnt = train(inputs, replace(RECIPES["mlp"], optimiser=SGD(1e30)))
    assert learnt["status"] == "nan"
    assert "not finite after epoch 1" in learnt["reason"]


def test_accuracies_and_losses_are_means_over_their_own_images(inputs):
    learnt = train(inputs, RECIPE, epochs=1)
    adapter = NumpyAdapter(RECIPE)
    adapter.set_weights(inputs.weights)
    train_epoch(adapter, inputs, 0, 20)
    for images, labels, accuracy in (
        (inputs.test_images, inputs.test_labels, learnt["accuracy"]),
        (inputs.train_images, inputs.train_labels, learnt["train_accuracy"]),
    ):
        outputs = adapter.forward(inputs.pixels[images][None])
        assert accuracy == pytest.approx((outputs.argmax(axis=1) == labels).mean())
    outputs = adapter.forward(inputs.pixels[inputs.test_images][None]).astype(float)
    likelihood = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    found = likelihood[np.arange(len(outputs)), inputs.test_labels]
    assert learnt["loss"] == pytest.approx(-np.log(found).mean(), rel=1e-5)


def test_the_rate_follows_the_schedule(inputs):
    rates = []

    class Watched(NumpyAdapter):
        def set_rate(self, rate):
            rates.append(rate)
            super().set_rate(rate)

    train(inputs, replace(RECIPES["mlp"], schedule=Exponential(0.5)), Watched, epochs=3)
    assert rates == pytest.approx([0.1, 0.05, 0.025])
