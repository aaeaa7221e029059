from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.contract import INPUTS
from adapters.declaration import SGD, Adam, Exponential
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.checks.selfcheck import SimulatedAdapter
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.train import _score, _train_epoch, _train_stacks, learn

RECIPE = replace(RECIPES["mlp"], stop_when_accuracy_falls=True)


@pytest.fixture
def inputs(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (10, 1, 28, 28), np.uint8)
    for part, size in (("train", 105), ("test", 30)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        shown = (labels + (np.arange(size) % 3 == 0)) % 10 if part == "test" else labels  # a third is mislabelled
        np.save(tmp_path / f"{part}_images.npy", pictures[shown])
        np.save(tmp_path / f"{part}_labels.npy", labels)
    prepare_inputs(tmp_path, RECIPE, 0, 105, 6)
    return Inputs.open(tmp_path, tmp_path, RECIPE.pixels, "float32")


def train(inputs, recipe, adapter_class=NumpyAdapter, epochs=6):
    return learn(adapter_class(recipe), inputs, 20, epochs)


def what(learnt):
    """Return what was learnt, without how long it took."""
    return {name: value for name, value in learnt.items() if name not in ("seconds_by_epoch", "placing_s")}


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
    assert what(watched) == what(plain)


@pytest.mark.parametrize("stop", [True, False])
def test_what_is_fed_is_learnt_as_what_is_preloaded(inputs, stop):
    recipe = replace(RECIPE, stop_when_accuracy_falls=stop)
    preloaded, fed = (learn(NumpyAdapter(recipe), inputs, 20, 3, input=input) for input in INPUTS)
    assert what(fed) == what(preloaded)


def test_feeds_train_where_feeding_was_asked_for_and_are_ended(inputs):
    open_feeds = []

    class Watched(NumpyAdapter):
        def feed(self, images, labels, order):
            made = super().feed(images, labels, order)
            open_feeds.append(made)
            made.close = lambda: open_feeds.remove(made)
            return made

        def train(self, preloaded, first, count):
            raise AssertionError("trained on preloaded batches")

    assert learn(Watched(RECIPE), inputs, 20, 2, input="host")["epochs"] == 2
    assert not open_feeds


def test_the_remainder_is_trained_on_and_the_accuracy_is_that_before_each_step(inputs):
    adapter = NumpyAdapter(RECIPE)
    adapter.set_weights(inputs.weights)
    accuracy = _train_epoch(adapter, _train_stacks(adapter, inputs, 0, 20, "preloaded"), 0)
    assert adapter.step_count == 6  # five batches of 20 and one of 5
    assert accuracy < 0.9
    assert _train_epoch(adapter, _train_stacks(adapter, inputs, 1, 20, "preloaded"), 1) > accuracy


def test_a_loss_that_is_not_finite_ends_as_nan(inputs):
    with np.errstate(all="ignore"):
        learnt = train(inputs, replace(RECIPES["mlp"], optimiser=SGD(1e30)))
    assert learnt["status"] == "nan"
    assert "not finite after epoch 1" in learnt["reason"]


@pytest.mark.parametrize("optimiser", [SGD(0.1), Adam(0.01)])
def test_accuracies_and_losses_are_means_over_their_own_images(inputs, optimiser):
    recipe = replace(RECIPE, optimiser=optimiser)
    learnt = train(inputs, recipe, epochs=1)
    adapter = NumpyAdapter(recipe)
    adapter.set_weights(inputs.weights)
    _train_epoch(adapter, _train_stacks(adapter, inputs, 0, 20, "preloaded"), 0)
    for images, labels, accuracy in (
        (inputs.test_images, inputs.test_labels, learnt["accuracy"]),
        (inputs.train_images, inputs.train_labels, learnt["train_accuracy"]),
    ):
        outputs = adapter.forward(inputs.pixels[images].transpose(1, 0, 2, 3))
        assert accuracy == pytest.approx((outputs.argmax(axis=1) == labels).mean())
    outputs = adapter.forward(inputs.pixels[inputs.test_images].transpose(1, 0, 2, 3)).astype(float)
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


def test_scores_are_computed_here_and_not_by_a_framework():
    outputs = np.array([[5.0, 0.0], [0.0, 5.0], [1.0, 0.0]], "float32")
    correct, loss = _score(outputs, np.array([0, 1, 1]), "cross_entropy")
    assert correct == 2
    assert loss == pytest.approx(2 * np.log1p(np.exp(-5)) + np.log1p(np.exp(1)))
    assert _score(np.array([[2.4], [3.6]]), np.array([2, 3]), "mean_squared_error") == (1, pytest.approx(0.52))


class Learner(SimulatedAdapter):
    """Takes known times; knows five digits more of each stack of test images after every epoch of six batches.

    The first step and the first evaluation of every shape take five seconds more, every placing takes three.
    """

    def build(self):
        self.compiled = set()
        super().build()

    def set_weights(self, weights):
        super().set_weights(weights)
        self.trained = 0

    def put(self, images, labels):
        self.clock.sleep(3)
        return super().put(images, labels)

    def compile(self, kind, labels):
        if (kind, labels.shape) not in self.compiled:
            self.compiled.add((kind, labels.shape))
            self.queue(5)

    def train(self, preloaded, first, count):
        self.compile("train", preloaded.labels)
        super().train(preloaded, first, count)
        preloaded.losses[:] = [1.0] * preloaded.steps
        self.trained += count

    def evaluate(self, preloaded, first, count):
        self.compile("evaluate", preloaded.labels)
        super().evaluate(preloaded, first, count)
        digits = preloaded.labels[first : first + count].reshape(-1, 1).astype(self.dtype)
        digits[5 * (self.trained // 6) :] = -1
        return [digits]


@pytest.fixture
def simulated(inputs, clock, monkeypatch):
    """Learn by the simulated clock: 5 batches of 20 and one of 5 to train on, one of 20 and one of 10 to test on."""
    monkeypatch.setattr(SimulatedAdapter, "clock", clock)
    linear = RECIPES["linear"]
    given = replace(inputs, weights=initial_weights(linear.model, linear.initialiser, 0))
    return lambda target, adapter_class=Learner: learn(adapter_class(), given, 20, 3, target)


EPOCH_S = 6 * SimulatedAdapter.step_s + 2 * SimulatedAdapter.batch_s


def test_the_clock_holds_training_and_evaluation_and_neither_compiling_nor_placing(simulated):
    learnt = simulated(None)
    assert learnt["accuracy_by_epoch"] == pytest.approx([10 / 30, 20 / 30, 25 / 30])
    assert learnt["seconds_by_epoch"] == pytest.approx([EPOCH_S, 2 * EPOCH_S, 3 * EPOCH_S], rel=1e-2)
    assert learnt["placing_s"] == pytest.approx(3 * 2 * 3)
    assert (learnt["accuracy_target"], learnt["time_to_accuracy_s"]) == (None, None)


@pytest.mark.parametrize(("target", "epoch"), [(0.3, 1), (20 / 30, 2), (0.8, 3), (0.84, None)])
def test_the_time_to_accuracy_is_the_clock_after_the_first_epoch_that_reaches_it(simulated, target, epoch):
    learnt = simulated(target)
    assert learnt["accuracy_target"] == target
    assert learnt["time_to_accuracy_s"] == (epoch and learnt["seconds_by_epoch"][epoch - 1])


def test_an_accuracy_that_falls_again_was_reached_all_the_same(simulated):
    class Unlearns(Learner):
        def train(self, preloaded, first, count):
            super().train(preloaded, first, count)
            self.trained = self.trained if self.trained < 18 else 0

    learnt = simulated(0.6, Unlearns)
    assert learnt["accuracy"] == 0
    assert learnt["time_to_accuracy_s"] == pytest.approx(2 * EPOCH_S, rel=1e-2)


def test_watching_the_training_accuracy_is_on_the_clock(simulated):
    class Watches(Learner):
        def __init__(self):
            super().__init__()
            self.recipe = replace(self.recipe, stop_when_accuracy_falls=True)

    watching_s = 6 * SimulatedAdapter.batch_s
    assert simulated(0.3, Watches)["time_to_accuracy_s"] == pytest.approx(EPOCH_S + watching_s, rel=1e-2)


class ZeroesLabels(NumpyAdapter):
    def put(self, images, labels):
        labels[...] = 0
        return super().put(images, labels)


@pytest.mark.parametrize("stop", [True, False])
def test_labels_that_an_adapter_writes_to_are_not_those_it_is_scored_by(inputs, stop):
    learnt = train(inputs, replace(RECIPE, stop_when_accuracy_falls=stop), ZeroesLabels, epochs=2)
    assert learnt["accuracy"] == pytest.approx(0.1, abs=0.04)  # it has learnt to answer 0
    assert learnt["train_accuracy"] == pytest.approx(0.1, abs=0.01)
