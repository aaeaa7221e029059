"""Which cards there are, with a driver that only pretends."""

from __future__ import annotations

import sys

import pytest

from benchmarks.machine import hardware
from tests.unit.machine.nvml import NVMLError, Pretended


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", Pretended())


def test_cards_are_named_with_what_tells_them_apart(driver):
    first, second = hardware.cards()
    assert first == hardware.Card(0, "Card 0", 80 << 30, "570.1", "9.0", "GPU-000")
    assert second.uuid == "GPU-111"


@pytest.mark.parametrize(
    ("granted", "indices"),
    [("1", [1]), ("1,0", [1, 0]), ("GPU-1", [1]), ("0,7,1", [0]), ("", []), ("-1", []), ("GPU-", [])],
)
def test_a_queue_s_grant_hides_the_others(driver, monkeypatch, granted, indices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    assert [card.index for card in hardware.cards()] == indices


def test_without_a_driver_or_its_bindings_there_is_none(monkeypatch):
    broken = Pretended()
    broken.nvmlInit = lambda: (_ for _ in ()).throw(NVMLError("no driver"))
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    assert hardware.cards() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert hardware.cards() == []
