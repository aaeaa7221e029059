from __future__ import annotations

import pandas as pd

from report.page.sections import mistakes


def test_a_confusion_matrix_is_summed_over_seeds_and_counts_what_is_wrong():
    counts = [0] * 100
    counts[11], counts[12] = 90, 10  # 1 taken for 1, for 2
    frame = pd.DataFrame({"framework": "torch", "mode": "eager", "confusion": [counts, counts]})
    made = mistakes._matrix(frame)
    assert made.caption == "torch, eager: 20 of 200 wrong"
    one = made.groups[0].lines[1].cells
    assert (one[2].text, one[2].style) == ("180", "hit")
    assert (one[3].text, one[3].style) == ("20", "heat6")
    assert (one[4].text, one[4].style) == ("", "heat0")
