from __future__ import annotations

import pandas as pd
import pytest

from report.page.sections import learning


def test_curves_are_means_over_the_seeds_that_got_so_far():
    lists = {"accuracy_by_epoch": [[0.5, 0.7], [0.7], None], "loss_by_epoch": [[1.0, 0.5], [3.0], [1.0]]}
    found = learning._curves(pd.DataFrame({**lists, "seconds_by_epoch": [[1.0, 2.0], [3.0], [5.0]]}))
    assert found.index.tolist() == [1, 2]
    assert found["accuracy_by_epoch_mean"].tolist() == pytest.approx([0.6, 0.7])
    assert found["accuracy_by_epoch_low"].tolist() == pytest.approx([0.5, 0.7])
    assert found["seconds_by_epoch_high"].tolist() == pytest.approx([3.0, 2.0])
    assert learning._curves(pd.DataFrame({name: [None] for name in learning.BY_EPOCH})).empty


def test_who_is_soonest_is_said_in_words():
    times = pd.DataFrame({"framework": ["torch", "jax"], "time_to_accuracy_s": [2.0, 90.0], "accuracy_target": 0.97})
    assert learning._soonest(times) == "torch reaches 97.0% after 2 s, jax last after 90 s."
    never = pd.DataFrame({"framework": ["torch"], "time_to_accuracy_s": [None], "accuracy": [0.8]})
    assert learning._soonest(never) == "accuracy 0.8000."


def test_a_confusion_matrix_is_summed_over_seeds_and_counts_what_is_wrong():
    counts = [0] * 100
    counts[11], counts[12] = 90, 10  # 1 taken for 1, for 2
    frame = pd.DataFrame({"framework": "torch", "mode": "eager", "confusion": [counts, counts]})
    made, _ = learning._matrix(frame)
    assert made.caption == "torch, eager: 20 of 200 wrong"
    one = made.groups[0].lines[1].cells
    assert (one[2].text, one[2].style) == ("180", "hit")
    assert (one[3].text, one[3].style) == ("20", "heat6")
    assert (one[4].text, one[4].style) == ("", "heat0")
