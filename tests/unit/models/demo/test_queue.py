"""Drawings wait for one worker: in turn, the newest of each page, and never for a worker that is lost."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.models.demo import queue
from tests.unit.models.demo.conftest import Puppet, wait_for


def image(number: int):
    return np.full((28, 28), number, np.uint8)


def test_it_answers_with_probabilities(desk):
    answer = desk(Puppet()).ask("a", image(0)).result(10)
    assert np.argmax(answer["probabilities"]) == 3
    assert sum(answer["probabilities"]) == pytest.approx(1)
    assert answer["seconds"] == 0.001


def test_a_newer_drawing_takes_the_waiting_ones_place_and_not_anothers(desk):
    puppet = Puppet()
    opened = desk(puppet)
    puppet.go.clear()
    first = opened.ask("fast", image(0))
    assert puppet.begun.wait(10)
    asked = [opened.ask("fast", image(number)) for number in range(1, 50)]
    other = opened.ask("slow", image(100))
    asked.append(opened.ask("fast", image(50)))
    puppet.go.set()
    assert "probabilities" in first.result(10)
    assert [future.result(10) for future in asked[:-1]] == [{"superseded": True}] * 49
    assert all("probabilities" in future.result(10) for future in (asked[-1], other))
    assert puppet.seen == [0, 50, 100]


def test_no_more_pages_wait_than_there_is_room_for(desk, monkeypatch):
    monkeypatch.setattr(queue, "WAITING", 2)
    puppet = Puppet()
    opened = desk(puppet)
    puppet.go.clear()
    opened.ask("a", image(0))
    assert puppet.begun.wait(10)
    asked = [opened.ask(page, image(1)) for page in "bcd"]
    assert asked[2].result(10)["state"] == "busy"
    puppet.go.set()
    assert all("probabilities" in future.result(10) for future in asked[:2])


def test_a_lost_worker_is_told_and_another_can_be_started(desk):
    puppet, second = Puppet(), Puppet()
    opened = desk(puppet, second)
    puppet.dies = True
    puppet.go.clear()
    asked = [opened.ask(page, image(0)) for page in "abc"]
    puppet.go.set()
    for future in asked:
        assert future.result(10) == {"state": "lost", "reason": "puppet: ended by SIGKILL"}
    assert opened.ask("d", image(0)).result(10)["state"] == "lost"
    opened.restart()
    wait_for(lambda: opened.state()["state"] == "ready")
    assert "probabilities" in opened.ask("e", image(0)).result(10)


def test_a_death_while_nobody_draws_is_seen(desk):
    puppet = Puppet()
    opened = desk(puppet)
    puppet.process.poll = lambda: -9
    wait_for(lambda: opened.state()["state"] == "lost")
    assert "SIGKILL" in opened.state()["reason"]


def test_what_nobody_waits_for_any_more_is_not_computed(desk):
    puppet = Puppet()
    opened = desk(puppet)
    puppet.go.clear()
    opened.ask("a", image(0))
    assert puppet.begun.wait(10)
    assert opened.ask("b", image(1)).cancel()
    last = opened.ask("c", image(2))
    puppet.go.set()
    assert "probabilities" in last.result(10)
    assert puppet.seen == [0, 2]
