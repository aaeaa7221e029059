"""Batches fed from host memory: the preloaded ones, in the same order, and nothing left behind."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np
import pytest

from adapters.contract import MODES
from adapters.recipes import HEADLINE, RECIPES
from tests.frameworks.conftest import BATCH, precise

STEPS = 5


def fed_modes(adapter_class, dtype=""):
    return [
        mode for mode in MODES
        if adapter_class.unsupported("cpu", mode, dtype or precise(adapter_class), "host") is None
    ]  # fmt: skip


@pytest.fixture
def memory(digits):
    """Samples in memory, some in no batch, and an order that takes others twice; all are views, back to front."""

    def make(dtype):
        images, labels = digits(1, 150, dtype)
        return images[0][::-1], labels[0][::-1], np.random.default_rng(6).integers(0, 140, (STEPS, BATCH))[::-1]

    return make


@pytest.mark.parametrize("name", [*HEADLINE, "lenet5", "linear"])
def test_trains_as_preloaded_batches_do_for_more_than_two_passes(adapter_class, made, memory, name):
    images, labels, order = memory(precise(adapter_class))
    recommended = adapter_class.recommended_mode(RECIPES[name].model, "cpu", "host")
    for mode in fed_modes(adapter_class) if name == "mlp" else [recommended]:  # torch compiles for seconds
        fed, preloaded = (made(adapter_class, RECIPES[name], mode) for _ in range(2))
        feed, batches = fed.feed(images, labels, order), preloaded.put(images[order], labels[order])
        first = 0
        for count in (1, 3, STEPS, STEPS - 2):
            fed.train_fed(feed, count)
            preloaded.train(batches, first, count)
            first = (first + count) % STEPS
            found, expected = fed.losses(feed), preloaded.losses(batches)
            np.testing.assert_allclose(found, expected, rtol=1e-13, err_msg=f"{mode}, {count} more")
        feed.close()
        for parameter, array in preloaded.get_weights().items():
            np.testing.assert_allclose(fed.get_weights()[parameter], array, rtol=0, atol=1e-14, err_msg=parameter)


def test_float32_is_fed_as_float32(adapter_class, oracle_class, made, memory):
    images, labels, order = memory("float32")
    oracle = made(oracle_class, RECIPES["mlp"])
    batches = oracle.put(images[order].astype("float64"), labels[order])
    oracle.train(batches, 0, STEPS)
    for mode in fed_modes(adapter_class, "float32"):
        adapter = made(adapter_class, RECIPES["mlp"], mode, "float32")
        feed = adapter.feed(images, labels, order)
        adapter.train_fed(feed, STEPS)
        adapter.synchronise()
        np.testing.assert_allclose(adapter.losses(feed), oracle.losses(batches), rtol=1e-4, err_msg=mode)
        feed.close()


def test_two_feeds_and_preloaded_batches_do_not_change_each_other(adapter_class, made, memory):
    images, labels, order = memory(precise(adapter_class))
    for mode in fed_modes(adapter_class):
        alone, mixed = (made(adapter_class, RECIPES["mlp"], mode) for _ in range(2))
        batches = alone.put(images[order], labels[order])
        for index in (0, 2, 1, 4):
            alone.train(batches, index, 1)
        one, other = mixed.feed(images, labels, order), mixed.feed(images, labels, order[2:])
        preloaded = mixed.put(images[order], labels[order])
        mixed.train_fed(one, 1)
        mixed.train_fed(other, 1)
        mixed.train_fed(one, 1)
        mixed.train(preloaded, 4, 1)
        for feed in (one, other):
            feed.close()
        for parameter, array in alone.get_weights().items():
            np.testing.assert_allclose(mixed.get_weights()[parameter], array, rtol=0, atol=1e-14, err_msg=mode)


def test_a_mode_that_cannot_be_fed_says_so(adapter_class, made, memory):
    for mode in set(MODES) - set(fed_modes(adapter_class)):
        if adapter_class.unsupported("cpu", mode, precise(adapter_class)) is None:
            reason = adapter_class.unsupported("cpu", mode, precise(adapter_class), "host")
            with pytest.raises(ValueError, match=reason[:20]):
                made(adapter_class, RECIPES["mlp"], mode).feed(*memory(precise(adapter_class)))


def test_what_feeds_a_card_feeds_the_same_batches(adapter_class, made, memory):
    """Where there is no card its place is the processor; torch's streams have tests of their own."""
    images, labels, order = memory(precise(adapter_class))
    if adapter_class.unsupported("gpu", "eager", precise(adapter_class), "host"):
        return  # numpy, mlx
    fed, preloaded = (made(adapter_class, RECIPES["linear"], "eager") for _ in range(2))
    fed.device = "gpu"
    feed, batches = fed.feed(images, labels, order), preloaded.put(images[order], labels[order])
    fed.device = "cpu"
    fed.train_fed(feed, 2 * STEPS + 1)
    preloaded.train(batches, 0, 2 * STEPS + 1)
    np.testing.assert_allclose(fed.losses(feed), preloaded.losses(batches), rtol=1e-13)
    feed.close()


def tasks():
    """Return the ids of this process's threads and of its children, from /proc."""
    threads = {path.name for path in Path("/proc/self/task").iterdir()}
    children = {child for thread in threads for child in children_of(thread)}
    return threads | children


def children_of(thread):
    try:
        return Path(f"/proc/self/task/{thread}/children").read_text().split()
    except FileNotFoundError:  # the thread has ended meanwhile
        return []


ROUNDS, CLOSED = 4, 5


def test_close_leaves_no_thread_and_no_process_behind(adapter_class, made, memory):
    """A framework's own pools may grow by a thread late, for good; what a feed leaves behind grows with every feed."""
    for mode in fed_modes(adapter_class, "float32"):
        adapter = made(adapter_class, RECIPES["mlp"], mode, "float32")
        closed = []  # held on to: it is close that ends them, not the collector

        def feed_and_close(adapter=adapter, closed=closed):
            feed = adapter.feed(*memory("float32"))
            adapter.train_fed(feed, STEPS + 1)
            adapter.synchronise()
            feed.close()
            closed.append(feed)

        feed_and_close()
        left = [left_behind(feed_and_close) for _ in range(ROUNDS)]
        assert min(left) == 0, f"{mode}: after each {CLOSED} feeds {left} tasks are left"


def left_behind(feed_and_close):
    """Return how many tasks there are more after a few feeds than before them, once they have had time to end."""
    before = tasks()
    for _ in range(CLOSED):
        feed_and_close()
    gc.collect()
    deadline = time.monotonic() + 5
    while (left := tasks() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(left)
