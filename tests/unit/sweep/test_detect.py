"""`run --detect`: the noise and the time come from rows, the rounds from the power of the tables' own intervals."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.checks import selfcheck
from benchmarks.cli.run import _difference
from benchmarks.errors import UsageError
from benchmarks.plan.cells import Cell
from benchmarks.record.store import append
from benchmarks.stats import CONFIDENCE, Means, judged_ratios, power, rounds_needed, sample, simultaneous
from benchmarks.sweep import detect

CELLS = [Cell(name, "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1) for name in ("torch", "jax")]


@pytest.fixture
def earlier_rows(row, tmp_path):
    """Return a folder with 400 rounds of both cells, whose log ratios have a standard deviation of 2 %, 3 s each."""
    noise = np.random.default_rng(0).normal(0, 0.02, 400)
    for number, off in enumerate(noise):
        for cell, speed in zip(CELLS, (1000.0, 500.0 * np.exp(off)), strict=True):
            facts = {name: value for name, value in vars(cell).items() if name != "revision"}
            line = {**row, **facts, "round": number, "train_samples_per_s": speed, "duration_s": 3.0}
            append(tmp_path / "a.jsonl", "row", line)
    return tmp_path


def test_noise_and_time_are_those_of_the_rows(earlier_rows):
    found = detect.experience(earlier_rows, CELLS)
    assert (found.noise, found.pairs, found.launch_s) == (pytest.approx(0.02, rel=0.1), 1, 3)
    assert found.source == f"earlier rounds of these comparisons in {earlier_rows.name}"
    others = [Cell("torch", "lenet", "mnist-5k", "cpu", 100, "eager", "float32", 1)]
    assert detect.experience(earlier_rows, others).source == f"other rounds in {earlier_rows.name}"


def test_a_new_checkout_takes_the_reference_s_noise_which_selfcheck_names(tmp_path):
    found = detect.experience(tmp_path / "none", CELLS)
    assert "results/reference" in found.source
    assert found.noise == pytest.approx(selfcheck.MEASURED_NOISE, abs=0.0005)
    assert found.pairs == 15


def test_the_words_say_how_many_rounds_why_and_how_long(earlier_rows):
    known = detect.experience(earlier_rows, CELLS)
    rounds = detect.planned_rounds(0.02, known, CELLS, 10_000)
    assert 11 < rounds < 15  # (1.96 + 1.28)^2 is 10.5, and Student's t has more to allow for
    said = detect.words(0.02, rounds, known, CELLS)
    assert said.startswith(f"--detect 2%: {rounds} rounds, which find a slow-down of 2.0% in 90% of sweeps at a noise")
    assert said.endswith(f"{2 * rounds} launches of 3.0 s: about {2 * rounds * 3 / 60:.0f} min")
    with pytest.raises(UsageError, match="more than 10 rounds at a noise of"):
        detect.planned_rounds(0.02, known, CELLS, 10)


@pytest.mark.parametrize(("given", "rounds"), [("2", None), ("0%", None), ("-2%", None), ("60%", None), ("2%", 6)])
def test_what_is_no_share_is_refused(given, rounds):
    with pytest.raises(UsageError, match="--detect"):
        _difference(given, rounds)
    assert _difference("2.5 %", None) == 0.025


def test_machines_that_are_not_known_yet_cannot_be_planned_for():
    done = CliRunner().invoke(app, ["run", "--detect", "2%", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"])
    assert "--detect is for one machine: the noise depends on the machines that join" in str(done.exception)


@pytest.mark.parametrize(
    ("slower", "noise", "comparisons"), [(0.05, 0.1, [2]), (0.02, 0.02, [2, 2, 2]), (0.05, 0.05, [6])]
)
def test_the_rounds_needed_find_it_in_nine_of_ten_tables(slower, noise, comparisons):
    """By judging simulated tables, where rounds_needed has a formula; a tenth fewer rounds find it less often."""
    rounds = rounds_needed(slower, noise, comparisons, 10_000)
    logs = np.random.default_rng(0).normal(np.log1p(-slower), noise, (4000, rounds))
    sharing = np.repeat(np.arange(len(comparisons)), np.array(comparisons) - 1)
    table = Means(np.zeros(len(sharing)), np.ones(len(sharing)), np.full(len(sharing), float(rounds)))
    confidence = simultaneous(table, sharing)
    judged = judged_ratios(sample(logs), confidence)
    found = np.mean((judged.high < 1) | (judged.low > 1))
    assert 0.88 < found < 0.94
    assert power(slower, noise, int(0.85 * rounds), confidence) < 0.9
    assert found == pytest.approx(power(slower, noise, rounds, confidence), abs=0.02)


def test_a_quiet_machine_gets_six_rounds_and_a_hopeless_one_none():
    assert rounds_needed(0.1, 0.001, [2], 10_000) == 6
    assert rounds_needed(0.001, 1.0, [2], 10_000) is None
    assert power(0.0, 0.1, 10, CONFIDENCE) == pytest.approx(0.05)
