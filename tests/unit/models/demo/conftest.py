"""Workers that are none, and a real server on the loopback for the page's routes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.errors import WorkerLost
from benchmarks.models.demo.queue import WorkerQueue
from benchmarks.models.demo.web import bound, serving, site


class Puppet:
    """Answers as a warm worker would, when and how the test lets it."""

    def __init__(self):
        self.about = {}
        self.process = SimpleNamespace(poll=lambda: None)
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()
        self.dies = self.stopped = False
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ready(self):
        self.about = {"version": "1.0", "mode": "eager"}

    def check(self):
        if self.process.poll() is not None:
            raise WorkerLost("puppet: ended by SIGKILL")

    def stop(self):
        self.stopped = True
        self.go.set()

    def outputs(self, images):
        self.begun.set()
        self.go.wait(20)
        self.seen.append(int(images[0, 0, 0, 0]))
        if self.dies or self.stopped:
            raise WorkerLost("puppet: ended by SIGKILL")
        return np.eye(10)[[3]] * 9, np.array([0.001])


@pytest.fixture
def desk():
    """Return a function that opens a desk over puppets, one after another, and waits until it is ready."""
    desks = []

    def make(*puppets, framework="torch"):
        left = iter(puppets)
        desks.append(WorkerQueue(framework, lambda: next(left)))
        wait_for(lambda: desks[-1].state()["state"] == "ready")
        return desks[-1]

    yield make
    for each in desks:
        each.close()


def wait_for(true, seconds=10.0):
    """Wait until something is so."""
    ended = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        ended.wait(0.01)
    pytest.fail("it did not come to be")


@pytest.fixture
def server(desk):
    """A server over two puppets; its port."""
    desks = [desk(Puppet()), desk(Puppet(), framework="jax")]
    with (
        ThreadPoolExecutor(2) as eyes,
        bound("127.0.0.1", 0) as listening,
        serving(site(["lenet"], desks, "127.0.0.1", eyes), listening),
    ):
        yield listening.getsockname()[1]
