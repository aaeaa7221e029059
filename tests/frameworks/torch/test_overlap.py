"""When a batch is copied to a card: with streams that only write down what is asked of them, and on a real one."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
import torch

from adapters.recipes import RECIPES
from adapters.torch import TorchAdapter, feed


@pytest.fixture
def told(monkeypatch):
    """What streams were told, in order: there is no card."""
    said = []

    class Stream:
        def __init__(self, place, name="copies"):
            self.name = name

        def record_event(self):
            said.append("copy begun")
            return sum(line == "copy begun" for line in said)

        def wait_event(self, event):
            said.append(f"{self.name} waits for copy {event}")

    @contextlib.contextmanager
    def within(stream):
        said.append(f"on {stream.name}")
        yield
        said.append("off")

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda place: Stream(place, "steps"))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: said.append(f"kept for {stream.name}"))
    return said


def test_the_next_copy_has_begun_before_a_batch_is_used_and_a_step_waits_for_its_own_alone(told):
    batches = [(torch.full((2, 1, 3, 3), float(n)), torch.tensor([n, n])) for n in range(5)]
    fed = feed._overlapped(batches, torch.device("cpu"))
    copy = ["on copies", "copy begun", "off"]
    images, labels = next(fed)
    assert told == [*copy, *copy, "steps waits for copy 1", "kept for steps", "kept for steps"]
    assert (float(images[0, 0, 0, 0]), labels.tolist()) == (0.0, [0, 0])
    assert next(fed)[1].tolist() == [1, 1]
    assert told[9:] == [*copy, "steps waits for copy 2", "kept for steps", "kept for steps"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_card_a_fed_epoch_trains_as_preloaded_batches_do():
    generator = np.random.default_rng(0)
    images = generator.random((64, 1, 28, 28)).astype("float32")
    labels, order = generator.integers(0, 10, 64), generator.permutation(64).reshape(8, 8)
    losses = []
    for fed in (True, False):
        adapter = TorchAdapter(RECIPES["mlp"], "gpu", "eager", "float32")
        batches = adapter.feed(images, labels, order) if fed else adapter.put(images[order], labels[order])
        _ = adapter.train_fed(batches, 20) if fed else adapter.train(batches, 0, 20)
        losses.append(adapter.losses(batches))
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_card_events_tell_less_than_the_wall_and_no_less_than_half_of_it():
    adapter = TorchAdapter(RECIPES["linear"], "gpu", "eager", "float32")
    work = adapter.products(*np.random.default_rng(0).standard_normal((2, 4096, 4096)).astype("float32"))
    adapter.synchronise(work(2))
    timer, begin = adapter.timer(), time.perf_counter()
    timer.start()
    pending = work(50)
    timer.stop()
    adapter.synchronise(pending)
    wall_s = time.perf_counter() - begin
    assert 0.5 * wall_s < timer.seconds() < wall_s
