"""What a first adapter needs: seven methods in plain NumPy, and the contract's defaults for all else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from adapters.contract import INPUTS, MODES, Adapter, Preloaded
from adapters.networks import declared
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.launch.replay import Judge
from benchmarks.plan.cells import Cell
from benchmarks.worker import libraries
from benchmarks.worker.__main__ import _measured, _probe
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.lockstep.prove import prove

SEVEN = {"build", "set_weights", "get_weights", "put", "step", "gradients", "evaluate"}
BATCH, STEP_S = 20, 0.01


class Seven(Adapter):
    """Layers of Dense and ReLU, plain SGD: as much as `linear` and `mlp` declare."""

    framework = "seven"
    version = "1.0"

    def build(self):
        self.set_weights({p.name: np.zeros(p.shape) for p in self.recipe.model.parameters()})

    def set_weights(self, weights):
        self.arrays = [np.array(weights[p.name], self.dtype) for p in self.recipe.model.parameters()]

    def get_weights(self):
        return self.named(self.arrays)

    def put(self, images, labels):
        return Preloaded(list(images), list(labels), len(labels))

    def step(self, images, labels):
        loss, slopes = self.slopes(images, labels)
        for array, slope in zip(self.arrays, slopes, strict=True):
            array -= array.dtype.type(self.rate) * slope
        return loss

    def gradients(self, preloaded, index):
        return self.named(self.slopes(preloaded.images[index], preloaded.labels[index])[1])

    def evaluate(self, preloaded, first, count):
        return [self.outputs(preloaded.images[index])[-1] for index in range(first, first + count)]

    def outputs(self, x):
        """Return what goes into each Dense, then what comes out of the last."""
        found = [x.reshape(len(x), -1)]
        for weight, bias in zip(self.arrays[::2], self.arrays[1::2], strict=True):
            entered = found[-1] if len(found) == 1 else np.maximum(found[-1], 0)
            found[-1:] = [entered, entered @ weight + bias]
        return found

    def slopes(self, images, labels):
        *entered, y = self.outputs(images)
        rows = np.arange(len(labels))
        if self.recipe.loss == "mean_squared_error":
            loss, slope = np.square(y[:, 0] - labels).mean(), 2 * (y - labels[:, None]) / len(labels)
        else:
            raised = np.exp(y - y.max(1, keepdims=True))
            slope = raised / raised.sum(1, keepdims=True)
            loss = -np.log(slope[rows, labels]).mean()
            slope[rows, labels] -= 1
            slope /= len(labels)
        slope, found = slope.astype(self.dtype), []
        for x, weight in zip(reversed(entered), reversed(self.arrays[::2]), strict=True):
            found[:0] = [x.T @ slope, slope.sum(0)]
            slope = slope @ weight.T * (x > 0)
        return loss, found


@pytest.fixture
def folder(tmp_path):
    """A folder with digits that can be learnt, and with the inputs of mlp."""
    generator, pictures = np.random.default_rng(5), np.random.default_rng(99).random((10, 1, 28, 28)) > 0.8
    for part, size in (("train", 250), ("test", 70)):
        labels = generator.integers(0, 10, size)
        images = pictures[labels] * 0.9 + generator.random((size, 1, 28, 28)) * 0.1
        np.save(tmp_path / f"{part}_images.npy", (255 * images).astype(np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", labels.astype(np.uint8))
    prepare_inputs(tmp_path, RECIPES["mlp"], 0, 250, 1)
    return tmp_path


def cell(input="preloaded"):
    return Cell("seven", "mlp", "some", "cpu", BATCH, "eager", "float32", 1, input=input)


def axes(input="preloaded"):
    chosen = {"recipe": "mlp", "device": "cpu", "mode": "eager", "dtype": "float32", "batch_size": BATCH}
    return {"threads": 1, "input": input, **chosen}


def test_nothing_else_is_asked_of_a_first_adapter():
    assert Adapter.__abstractmethods__ == SEVEN


@pytest.mark.parametrize("input", INPUTS)
def test_the_gate_lets_it_pass(folder, input):
    verdict = prove(Seven, RECIPES["mlp"], axes(input), folder, folder, 20)
    assert (verdict["lockstep"], verdict["why"]) == ("pass", "")
    assert 0 < verdict["float64_deviation"] < 1e-12


def test_the_gate_refuses_it_with_another_rate(folder):
    class RateOff(Seven):
        def step(self, images, labels):
            self.rate = 0.0999
            return super().step(images, labels)

    assert prove(RateOff, RECIPES["mlp"], axes(), folder, folder, 20)["lockstep"] == "fail"


@pytest.mark.parametrize("input", INPUTS)
def test_a_launch_is_timed_and_its_steps_are_the_reference_network_s(folder, clock, monkeypatch, input):
    class Timed(Seven):
        def step(self, images, labels):
            clock.sleep(STEP_S)
            return super().step(images, labels)

        def evaluate(self, preloaded, first, count):
            clock.sleep(count * STEP_S)
            return super().evaluate(preloaded, first, count)

    evidence = folder / "evidence.npz"
    request = {"task": "speed", "adapter": "seven:Timed", "data": str(folder), "inputs": str(folder)}
    request["network"] = declared(RECIPES["mlp"])
    timing = {"plan": None, "chunk_s": 0.1, "judged_steps": 20, "evidence": str(evidence)}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("benchmarks.worker.interference.computing", lambda adapter: 1)  # it waits for real time
    answer = _measured(Timed, {**request, "cell": axes(input), **timing}, 0.0, 1)
    assert "status" not in answer, answer
    assert answer["train_samples_per_s"] == pytest.approx(BATCH / STEP_S, rel=1e-3)
    assert answer["framework_version"] == "1.0"
    assert "thread_mismatch" not in answer["flags"]
    opened = Inputs.open(folder, folder, RECIPES["mlp"].pixels, "float64")
    judged = Judge(cell(input), RECIPES["mlp"], opened).columns(evidence)
    assert "status" not in judged, judged
    assert judged["replay_deviation"] < 1e-4


def test_what_is_asked_of_a_framework_has_an_answer(monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "some")  # it starts uname
    facts = _probe(Seven, {"task": "probe", "adapter": "seven:Seven", "device": "cpu", "networks": []})
    assert {"seven", "numpy", "python"} == facts["versions"].keys()
    assert facts["devices"].keys() == {"cpu"}
    assert {mode for mode in MODES if facts["unsupported"][f"{mode} float64 host"] is None} == {"eager"}
    assert set(facts["recommended"]["host"].values()) == {"eager"}
    assert Seven.unsupported("gpu", "eager", "float32")
    assert libraries.facts(Seven, "cpu")["denormals"] == "kept"


def test_it_has_products_and_copies_of_the_contract_s_own():
    made = Seven(RECIPES["linear"])
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((2, 33, 33)).astype("float32")
    work, copies = made.products(left, right), made.copies(left[0])
    for count in (1, 2, 5, 1):
        for pending, expected in (
            (work(count), left @ np.linalg.matrix_power(right, count)),
            (copies(count), left[0] * (-1) ** count),
        ):
            made.synchronise(pending)
            np.testing.assert_allclose(made.fetch(pending), expected, rtol=1e-4, atol=1e-2)


def test_waiting_reaches_everything_that_is_pending():
    class Lazy(Seven):
        def fetch(self, outputs):
            fetched.extend(outputs)
            return super().fetch(outputs)

    fetched, made = [], Lazy(RECIPES["mlp"])
    images, labels = np.zeros((3, 5, 1, 28, 28), "float32"), np.zeros((3, 5), np.int64)
    batches = made.put(images, labels)
    passes = [made.evaluate(batches, 0, 3) for _ in range(2)]
    made.synchronise(passes)
    assert list(map(id, fetched)) == list(map(id, itertools.chain(*passes)))
    made.synchronise((batches.images, batches.labels))
    assert len(fetched) == 6 + 6
    made.synchronise()
    assert len(fetched) == 6 + 6


def test_a_snapshot_is_of_its_moment():
    made, recipe = Seven(RECIPES["mlp"]), RECIPES["mlp"]
    made.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
    generator = np.random.default_rng(0)
    batches = made.put(generator.random((2, 5, 1, 28, 28), np.float32), generator.integers(0, 10, (2, 5)))
    before, fetch = made.get_weights(), made.snapshot()
    made.train(batches, 0, 2)
    for name, array in fetch().items():
        np.testing.assert_array_equal(array, before[name])
        assert (made.get_weights()[name] != array).any()


def test_it_agrees_with_numpy_s_own_adapter():
    recipe = RECIPES["mlp"]
    generator = np.random.default_rng(0)
    images, labels = generator.random((2, 5, 1, 28, 28)), generator.integers(0, 10, (2, 5))
    found = []
    for cls in (Seven, NumpyAdapter):
        made = cls(recipe, dtype="float64")
        made.set_weights(initial_weights(recipe.model, recipe.initialiser, 0))
        placed = made.put(images, labels)
        made.train(placed, 0, 2)
        found.append(made.losses(placed))
    np.testing.assert_allclose(*found, rtol=1e-13)
