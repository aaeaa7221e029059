"""What a card did while a launch ran, with a driver that only pretends."""

from __future__ import annotations

import sys
import time

import pytest

from benchmarks.machine import noise
from benchmarks.machine.hardware import Card
from benchmarks.machine.noise import CardWatch, Reading, _columns, _mean_power_w
from tests.unit.machine.nvml import Pretended

CARD = Card(0, "Card 0", 80 << 30, "570.1", "9.0", "GPU-000")
SPEED = {"status": "ok", "train_samples_per_s": 1000.0, "train_chunk_s": [0.1, 0.1]}


@pytest.fixture
def watched(monkeypatch):
    """Watch a pretended card for 0.3 s, of which the last 0.2 are timed; return the row."""

    def run(row=SPEED, seconds=0.3, **options):
        monkeypatch.setitem(sys.modules, "pynvml", Pretended(**options))
        monkeypatch.setattr(noise, "INTERVAL_S", 0.01)
        with CardWatch(CARD) as watch:
            time.sleep(seconds / 3)
            begin = time.monotonic()
            time.sleep(2 * seconds / 3)
            end = time.monotonic()
        answer = row | {"train_timed_between_s": [begin, end]}
        return watch.columns(answer) | {"flags": watch.flags(watch.columns(answer))}

    return run


def test_a_speed_has_its_card_s_clock_heat_power_and_energy(watched):
    row = watched()
    assert (row["gpu_sm_clock_mhz"], row["gpu_temperature_c"], row["gpu_throttles"]) == (1980, 41, [])
    assert 0 < row["gpu_power_w"] < 1.3 * 5 / 0.01  # 5 J a reading, each 10 ms at the soonest
    assert row["gpu_energy_j_per_sample"] == pytest.approx(row["gpu_power_w"] * 0.2 / 200, rel=0.1)
    assert row["gpu_memory_peak_bytes"] > 10 << 20
    assert (row["flags"], row["gpu_other_processes"]) == (set(), 0)


@pytest.mark.fault(33)
def test_another_process_on_the_card_is_marked(watched):
    """There is no card here to share: the driver's answer is pretended."""
    row = watched(processes=(1, 0))
    assert (row["flags"], row["gpu_other_processes"]) == ({"noisy"}, 1)
    assert watched(processes=(0, 2))["gpu_other_processes"] == 2
    assert watched(load=6)["flags"] == {"noisy"}
    assert watched(load=5)["flags"] == set()


def test_how_busy_the_card_was_while_training_was_timed():
    readings = [Reading(at, None, None, None, None, 0, None, load) for at, load in enumerate((0, 80, 90, 100, 0))]
    assert _columns(readings, [1, 3], 100)["gpu_busy_share"] == 0.9


def test_a_clock_held_back_is_flagged_with_its_reason_and_an_idle_one_is_not(watched):
    assert watched(throttles=0x44)["flags"] == {"throttled"}
    assert watched(throttles=0x44)["gpu_throttles"] == ["power cap", "thermal slowdown, hardware"]
    assert watched(throttles=0x3)["flags"] == set()


def test_a_card_without_an_energy_counter_has_the_mean_of_its_power(watched):
    assert watched(silent=("nvmlDeviceGetTotalEnergyConsumption",))["gpu_power_w"] == 300


def test_a_card_that_tells_nothing_has_no_numbers(watched):
    row = watched(
        silent=(
            "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetClockInfo",
            "nvmlDeviceGetTemperature", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetComputeRunningProcesses",
            "nvmlDeviceGetUtilizationRates",
        )
    )  # fmt: skip
    names = ("sm_clock_mhz", "busy_share", "temperature_c", "power_w", "energy_j_per_sample", "memory_peak_bytes")
    assert {row[f"gpu_{name}"] for name in names} == {None}


def test_a_launch_without_a_speed_has_its_memory_alone(watched):
    row = watched(row={"status": "crashed"})
    assert row["gpu_memory_peak_bytes"] > 0
    assert "gpu_power_w" not in row


def test_a_processor_is_not_watched():
    with CardWatch(None) as watch:
        pass
    assert (watch.columns(SPEED), watch.flags({})) == ({}, set())


def test_only_what_lies_within_the_timed_chunks_counts():
    readings = [Reading(at, 1000 + at, 40 + at, 100.0, None, 0x4 if at == 9 else 0, at) for at in range(10)]
    found = _columns(readings, [2, 6], 100)
    assert (found["gpu_sm_clock_mhz"], found["gpu_temperature_c"], found["gpu_throttles"]) == (1004, 46, [])
    assert found["gpu_energy_j_per_sample"] == 100 * 4 / 100


def test_power_counts_from_where_the_counter_moved():
    energies = [0, 0, 10, 10, 10, 40, 40]  # seen to move at 2 and at 5
    readings = [Reading(at, None, None, 7.0, energy, 0, None) for at, energy in enumerate(energies)]
    assert _mean_power_w(readings) == (40 - 10) / 3
    assert _mean_power_w(readings[:3]) == 7.0
