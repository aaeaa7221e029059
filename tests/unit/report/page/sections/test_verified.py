from __future__ import annotations

from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import lead, verified
from report.results.load import load


def sentence(write_set, *rows):
    return verified._in_words(Inputs(load(write_set("one", *rows), PAGE_COLUMNS), []))


def test_launches_whose_timed_steps_were_taken_again_are_counted(write_set, launches, make):
    judged = launches(1, 2, replayed_steps=3, replay_deviation=1e-6)
    unproven = launches(1, 2, framework="jax", lockstep="unproven", replayed_steps=3, replay_deviation=0.5)
    accuracy = make(task="accuracy", train_samples_per_s=None, accuracy=0.9, epochs=1, framework="numpy")
    assert sentence(write_set, *judged, *unproven, accuracy) == (
        "2 of 3 configurations verified by the gate (1 unproven); the timed steps of 2 of 4 timed launches were taken "
        "again by the reference network, largest deviation 1.0e-06."
    )


def test_older_rows_are_not_called_judged(write_set, launches):
    assert sentence(write_set, *launches(1)) == (
        "All 1 configuration verified by the gate; these rows do not say that timed steps were taken again by the "
        "reference network."
    )


def test_what_is_verified_in_float32_only_is_counted_apart_and_explained(write_set, launches):
    full = launches(1, 2, replayed_steps=3, replay_deviation=1e-6)
    less = launches(1, 2, framework="mlx", lockstep="float32 only", replayed_steps=3, replay_deviation=1e-4)
    assert sentence(write_set, *full, *less).startswith(
        "1 of 2 configurations verified by the gate (1 in float32 only); the timed steps of 4 of 4 timed launches"
    )
    inputs = Inputs(load(write_set("both", *full, *less), PAGE_COLUMNS), [])
    assert verified.LESS in verified.section(inputs).parts[0].sentences
    alone = Inputs(load(write_set("alone", *full), PAGE_COLUMNS), [])
    assert verified.LESS not in verified.section(alone).parts[0].sentences


def test_no_speed_stands_without_a_lesser_verdict(write_set, launches):
    less = launches(1, 2, framework="mlx", lockstep="float32 only")
    inputs = Inputs(load(write_set("one", *launches(3, 4), *less), PAGE_COLUMNS), [])
    [group] = lead.table(inputs).groups
    notes = {line.cells[0].text: line.cells[0].note for line in group.lines}
    assert notes == {"torch": "", "mlx": "verified in float32 only"}
    assert "mlx (verified in float32 only) 0.41 of it" in next(lead.sentences(inputs))
