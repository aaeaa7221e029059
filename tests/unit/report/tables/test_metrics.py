from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.errors import UsageError
from report.tables.metrics import METRICS, metric
from tests.unit.report.known import LATER, STEADY


def test_words_follow_what_is_better(compare, make):
    def rows(scale, **changes):
        return [
            make(round=n, import_s=speed * scale, peak_rss_bytes=int(speed * scale), chunk_steps=int(speed * scale))
            | changes
            for n, speed in enumerate(STEADY)
        ]

    base, new = rows(1), rows(1.2, **LATER)
    found = {name: compare(base, new, name=name) for name in ("import_s", "peak_rss_bytes", "chunk_steps")}
    assert {name: table["verdict"].tolist() for name, table in found.items()} == {
        "import_s": ["slower"], "peak_rss_bytes": ["worse"], "chunk_steps": ["higher"],
    }  # fmt: skip


def test_every_number_of_a_row_is_a_metric_with_words():
    for found in METRICS.values():
        assert found.worse in ("", found.above, found.below)
    assert metric("train_samples_per_s").worse == metric("train_samples_per_s").below == "slower"
    assert metric("step_latency_p50_s").worse == metric("step_latency_p50_s").above == "slower"


def test_values_of_0_have_medians_and_no_ratio(compare, make):
    base = [make(round=n, stolen_share=0.0) for n in range(6)]
    [line] = compare(base, [row | LATER | {"stolen_share": 0.1} for row in base], name="stolen_share").to_dict(
        "records"
    )
    assert (line["base_middle"], line["new_middle"], line["verdict"]) == (0, 0.1, "")
    assert pd.isna(line["ratio"])


def test_no_verdict_where_some_ok_launches_lack_the_metric(compare, make):
    """Seeds that never reached the target would flatter those that did, were they left out."""
    base = [make(round=n, task="accuracy", seed=n, accuracy=0.9, time_to_accuracy_s=9.0 + n / 10) for n in range(7)]
    new = [row | LATER | {"time_to_accuracy_s": row["time_to_accuracy_s"] / 3 if row["seed"] else None} for row in base]
    [line] = compare(base, new, name="time_to_accuracy_s").to_dict("records")
    assert line["ratio"] == pytest.approx(1 / 3, rel=0.05)
    assert line["verdict"] == ""


def test_an_unknown_axis_or_metric_lists_what_there_is(compare, launches):
    with pytest.raises(UsageError, match="threads, machine, mode"):
        compare(launches(1), launches(1), across=["dtype"])
    with pytest.raises(UsageError, match=r"did you mean import_s\?"):
        compare(launches(1), launches(1), name="imports_s")
    for name in ("framework", "threads", "train_chunk_s", "seed"):
        with pytest.raises(UsageError, match="no numeric column"):
            metric(name)
