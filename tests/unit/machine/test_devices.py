"""Devices as they are typed, with a driver that only pretends to have two cards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.errors import EnvironmentMissing, UsageError
from benchmarks.launch.probe import chosen_frameworks
from benchmarks.launch.process import cell_request
from benchmarks.machine import environments, hardware
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from tests.unit.machine.nvml import NVMLError, Pretended


@pytest.fixture(autouse=True)
def two_cards(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", Pretended())
    hardware.fingerprint.cache_clear()
    yield
    hardware.fingerprint.cache_clear()


@pytest.fixture
def no_card(monkeypatch):
    broken = Pretended()
    broken.nvmlInit = lambda: (_ for _ in ()).throw(NVMLError("no driver"))
    monkeypatch.setitem(sys.modules, "pynvml", broken)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (None, ["cpu"]),
        (["gpu"], ["gpu"]),
        (["gpu:0,gpu"], ["gpu"]),
        (["gpu:1", "cpu"], ["gpu:1", "cpu"]),
        (["all"], ["cpu", "gpu", "gpu:1"]),
    ],
)
def test_what_is_typed(typed, meant):
    assert hardware.chosen(typed) == meant


@pytest.mark.parametrize(
    ("typed", "words"),
    [("tpu", "unknown device 'tpu'"), ("gpu:x", "unknown device"), ("gpu:2", "gpu (Card 0), gpu:1 (Card 1)")],
)
def test_what_is_not_there_is_one_line(typed, words):
    with pytest.raises(UsageError) as error:
        hardware.chosen([typed])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_a_card_one_line_says_so(no_card):
    with pytest.raises(UsageError, match="driver shows no GPU here; use --device cpu"):
        hardware.chosen(["gpu"])
    assert hardware.chosen(["all"]) == ["cpu"]


def test_where_nobody_can_ask_the_driver_the_frameworks_will_say(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert hardware.chosen(["gpu:3"]) == ["gpu:3"]
    with pytest.raises(EnvironmentMissing, match=r"needs the package nvidia-ml-py, .* or name the devices"):
        hardware.chosen(["all"])


@pytest.mark.parametrize(
    ("granted", "device", "seen"),
    [(None, "gpu", "0"), (None, "gpu:1", "1"), ("4,GPU-7", "gpu:1", "GPU-7"), ("4", "gpu:1", ""), ("", "gpu", "")],
)
def test_where_nobody_can_ask_the_driver_a_worker_still_sees_its_card_alone(monkeypatch, granted, device, seen):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    if granted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    assert hardware.variables(device)["CUDA_VISIBLE_DEVICES"] == seen


def test_a_worker_sees_its_card_alone_and_as_the_first():
    assert environments.variables(1, "gpu:1")["CUDA_VISIBLE_DEVICES"] == "GPU-111"
    assert environments.variables(1, "gpu")["CUDA_VISIBLE_DEVICES"] == "GPU-000"
    assert "CUDA_VISIBLE_DEVICES" not in environments.variables(1, "cpu")
    cell = Cell("torch", "mlp", "mnist", "gpu:1", 100, "eager", "float32", 1)
    data = Prepared("some", "0" * 64, Path("data"), 40, 10, "", (1, 28, 28), 10)
    assert cell_request(cell, data, Path("inputs"))["cell"]["device"] == "gpu"


def test_a_card_s_queue_is_kept(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert environments.variables(1, "gpu")["CUDA_VISIBLE_DEVICES"] == "GPU-111"


def test_every_card_is_served_by_the_one_environment():
    assert environments.name("torch", "gpu:1") == "torch-gpu"


def test_there_is_no_numpy_on_any_card():
    with pytest.raises(UsageError, match=r"^numpy computes on the CPU alone here: tox -e numpy-cpu, or --device cpu$"):
        chosen_frameworks(["numpy"], ["gpu:1"])


def test_a_missing_environment_brings_the_command_that_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    with pytest.raises(EnvironmentMissing, match="tox run --notest -e torch-gpu"):
        chosen_frameworks(["torch"], ["gpu:1"])


def test_another_card_is_another_machine():
    prints = {device: hardware.fingerprint(device) for device in ("cpu", "gpu", "gpu:1")}
    assert len(set(prints.values())) == 3
