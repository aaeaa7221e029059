from __future__ import annotations

import pandas as pd
import pytest

from report.page import words


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.2e-5, "32 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (600, "10.0 min"), (None, "–"), (pd.NA, "–")],
)
def test_durations_have_the_unit_that_suits_them(value, shown):
    assert words.seconds(value) == shown


def test_numbers_keep_sensible_digits():
    assert [words.speed(value) for value in (123456.7, 99.94, 0.5, None)] == ["123,457", "99.9", "0.5", "–"]
    assert words.size(500 << 20) == "500 MiB"
    assert words.between(1, 2) == "1–2"
    assert words.between(-0.1, 0.1, "+.1f") == "-0.1 to +0.1"
    assert words.between(pd.NA, 2) == ""
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_labels_are_short_and_written_out():
    assert words.short("a\x1b[31m" + "b" * 50, 12) == "a\\x1b[31mbb…"
