"""The checks on ourselves must fail when the measuring or the statistics are broken."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from benchmarks import stats
from benchmarks.checks import selfcheck
from benchmarks.checks.selfcheck import SimulatedAdapter
from benchmarks.stats import LOOKS
from benchmarks.worker import timing
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.lockstep import prove


@pytest.fixture
def inputs(tmp_path):
    recipe = selfcheck.RECIPE
    for part, size in (("train", 400), ("test", 200)):
        images = np.random.default_rng(0).integers(0, 256, (size, 1, 28, 28), np.uint8)
        np.save(tmp_path / f"{part}_images.npy", images)
        np.save(tmp_path / f"{part}_labels.npy", (np.arange(size) % 10).astype(np.uint8))
    prepare_inputs(tmp_path, recipe, 0, 400, 1)
    return Inputs.open(tmp_path, tmp_path, recipe.pixels, "float32")


def outcome(check, inputs):
    return {found.what: found.passed for found in check(inputs)}


def test_sound_measuring_passes(inputs):
    assert all(outcome(selfcheck._slips, inputs).values())
    assert len(outcome(selfcheck._slips, inputs)) == 3
    assert all(outcome(selfcheck._coverage, inputs).values())
    assert len(outcome(selfcheck._coverage, inputs)) == len(LOOKS) + 2


def test_a_region_that_is_not_looked_at_lets_slips_through(inputs, monkeypatch):
    monkeypatch.setattr(timing, "REGION_TOLERANCE", 1e9)
    found = outcome(selfcheck._slips, inputs)
    assert not found["a missing synchronisation"]
    assert not found["milliseconds taken for seconds"]


def test_a_gate_that_looks_at_nothing_lets_half_chunks_through(inputs, monkeypatch):
    monkeypatch.setattr(prove, "free_run", lambda *arguments: None)
    assert not outcome(selfcheck._slips, inputs)["a chunk of half the steps"]


def test_a_clock_that_is_off_by_two_percent_is_found(inputs, monkeypatch):
    class Slow(SimulatedAdapter):
        def queue(self, seconds):
            super().queue(1.02 * seconds)

    monkeypatch.setattr(selfcheck, "SimulatedAdapter", Slow)
    assert not any(outcome(selfcheck._known_rate, inputs).values())


def test_normal_quantiles_in_place_of_student_s_do_not_cover(inputs, monkeypatch):
    """Coverage is that of intervals.Means, from which every table has its intervals."""
    normal = {**vars(special), "stdtrit": lambda degrees, share: special.ndtri(share)}
    monkeypatch.setattr(stats, "special", SimpleNamespace(**normal))
    assert stats.speed([100, 110, 121]).low > 95  # 86.8 by Student's t
    found = outcome(selfcheck._coverage, inputs)
    assert not found["fixed at 6 rounds"]
    assert not found["stopped at a look within 2%"]
    assert not outcome(selfcheck._power, inputs)["false alarms in a table of 6 equal arms, 6 rounds"]


def test_sound_tables_have_the_power_that_they_should(inputs):
    found = outcome(selfcheck._power, inputs)
    assert all(found.values())
    assert len(found) == len(LOOKS) + 2 * 4 * 3


@pytest.mark.parametrize("break_it", ["each interval by itself", "the best as if it were fixed", "no word at all"])
def test_tables_that_cry_wolf_or_see_nothing_fail(inputs, monkeypatch, break_it):
    """Power is that of stats.simultaneous and judged_ratios, from which every table has its verdicts."""
    alarm, power = (
        "false alarms in a table of 6 equal arms, 10 rounds",
        "a slow-down of 5% is found, 10 rounds, noise 3.0%",
    )
    if break_it == "no word at all":
        monkeypatch.setattr(stats.Means, "half_widths", lambda means, confidence=0.95: np.ones_like(means.mean))
        assert not outcome(selfcheck._power, inputs)[power]
        return
    if break_it == "each interval by itself":
        monkeypatch.setattr(selfcheck, "simultaneous", lambda found, chosen=None: stats.CONFIDENCE)
    else:
        monkeypatch.setattr(stats, "_missed", lambda ratios, rounds, alpha: 1 - (1 - alpha) ** ratios)
    assert not outcome(selfcheck._power, inputs)[alarm]


def test_looking_after_every_round_does_not_cover(inputs, monkeypatch):
    monkeypatch.setattr(selfcheck, "LOOKS", tuple(range(3, 21)))
    assert not outcome(selfcheck._coverage, inputs)["stopped at a look within 2%"]
