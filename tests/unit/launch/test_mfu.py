"""A row's share of the machine's peak, and what is said of one above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli.tables import sweep_tables
from benchmarks.launch.ceilings import Point
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.launch.proof import Proof
from benchmarks.launch.roofline import Ceiling
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import Prepared
from tests.unit.conftest import in_columns

CELL = Cell("numpy", "mlp", "some", "cpu", 100, "eager", "float32", 2)
POINT = Point("cpu", "float32", 2)


@pytest.fixture
def row_of(monkeypatch):
    """Return the row of a cell whose worker says 1,000 samples/s (454.4 MFLOP/s) where the peak is as given."""

    def make(peaks, status="ok"):
        probe = Probe("numpy", "cpu", facts={"unsupported": {"eager float32 preloaded": None}, "devices": {}})
        data = Prepared("some", "0" * 64, Path(), 4000, 1000, "", (1, 28, 28), 10)
        launcher = Launcher({("numpy", "cpu"): probe}, {"some": data}, 0.2, timeout_s=1.0)
        launcher.ceilings = {point: Ceiling(peak) for point, peak in peaks.items()}
        launcher.proofs = {CELL: Proof("pass", "", {})}
        speed = {"train_samples_per_s": 1000.0, "eval_samples_per_s": 3000.0} if status == "ok" else {}
        monkeypatch.setattr(launcher, "measured", lambda planned, folder: {"status": status, "reason": "", **speed})
        return launcher.row(Launch("speed", 0, 0, CELL), Path(), "20260101T000000-abcdef")

    return make


def test_mfu_is_the_share_of_the_peak_at_the_cell_s_device_dtype_and_threads(row_of):
    row = row_of({POINT: 908.8e6, POINT._replace(threads=1): 1.0})
    assert row["peak_flops_per_s"] == 908.8e6
    assert row["mfu"] == pytest.approx(0.5)
    assert (row["status"], row["reason"]) == ("ok", "")


@pytest.mark.parametrize("peaks", [{}, {POINT: None}, {POINT._replace(dtype="float64"): 1.0}])
def test_without_a_peak_there_is_no_mfu(row_of, peaks):
    row = row_of(peaks)
    assert (row["peak_flops_per_s"], row["mfu"], row["status"]) == (None, None, "ok")


def test_a_speed_above_the_peak_is_impossible_and_counts_in_no_figure(row_of):
    row = row_of({POINT: 100e6})
    assert row["status"] == "impossible"
    assert row["mfu"] == pytest.approx(4.544)
    assert "4.54 times the machine's peak" in row["reason"]
    [table] = sweep_tables([row], 200)
    found = in_columns(table)
    assert (found["samples/s"], found["launches"]) == (["impossible"], ["0"])
    assert "MFU" not in found


def test_a_failed_launch_has_no_mfu(row_of):
    row = row_of({POINT: 100e6}, "timeout")
    assert (row["status"], row["mfu"]) == ("timeout", None)


def test_the_summary_shows_mfu(row_of):
    [table] = sweep_tables([row_of({POINT: 908.8e6})], 200)
    assert in_columns(table)["MFU"] == ["50.0%"]
