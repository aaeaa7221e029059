from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from benchmarks.record.store import append
from report.results.load import load
from report.tables.compare import compare, pivot


@pytest.fixture
def frame(row, tmp_path):
    append(tmp_path / "a.jsonl", "run", {"machine_kind": "abc"})
    for framework, factor in (("jax", 1.0), ("torch", 2.0)):
        for size in (10, 100):
            for n, speed in enumerate((1.0, 2.0, 9.0)):
                measured = {"framework": framework, "batch_size": size, "round": n}
                changes = {**measured, "train_samples_per_s": speed * factor * size}
                append(tmp_path / "a.jsonl", "row", {**row, **changes})
    failed = {"framework": "jax", "batch_size": 10, "status": "impossible", "train_samples_per_s": 1e9, "round": 3}
    append(tmp_path / "a.jsonl", "row", {**row, **failed})
    return load(tmp_path)


def test_batch_size_down_framework_across_mean_speed(frame):
    table = pivot(frame, "batch_size", "framework")
    assert table.index.tolist() == [10, 100]
    assert table.columns.tolist() == ["jax", "torch"]
    assert table.loc[10].tolist() == pytest.approx([10 * 18 ** (1 / 3), 20 * 18 ** (1 / 3)])  # of 1, 2, 9
    assert table.loc[100, "torch"] == pytest.approx(200 * 18 ** (1 / 3))
    assert pivot(frame, "batch_size", "framework", how="median").loc[10].tolist() == [20, 40]


def test_a_table_s_lines_and_several_axes(frame):
    table = pivot(compare(frame), ["model", "batch_size"], ["framework", "mode"], "launches", "max")
    assert table.loc[("mlp", 10), ("jax", "eager")] == 3


def test_categories_will_do(frame):
    compact = frame.astype({"framework": "category", "mode": "category", "device": "category"})
    assert pivot(compact, "batch_size", "framework").equals(pivot(frame, "batch_size", "framework"))


def test_what_must_not_be_mixed_is_refused_by_name(frame):
    with pytest.raises(UsageError, match="would mix batch_size: name it"):
        pivot(frame, "mode", "framework")
    frame["mode"] = frame["mode"].where(frame["round"] > 0, "fused")
    with pytest.raises(UsageError, match="would mix mode"):
        pivot(frame, "batch_size", "framework")
    assert pivot(frame, "batch_size", ["framework", "mode"]).shape == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("batchsize", "framework"), r"no axis 'batchsize'; there are: .*batch_size"),
        (("batch_size", "flags"), "no axis 'flags'"),
        (("batch_size", "framework", "speed"), "no number 'speed'; there are: .*train_samples_per_s"),
        (("batch_size", "framework", "reason"), "no number 'reason'"),
        (("batch_size", "framework", "mfu", "mode"), "no method 'mode'; there are: geometric mean"),
        (("framework", "framework"), "twice"),
        (("framework", "round", "round"), "twice"),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(frame, arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        pivot(frame, *arguments)
    assert "\n" not in str(caught.value)


def test_nothing_to_show_is_an_empty_table(frame):
    assert pivot(frame, "batch_size", "framework", "mfu").empty
    assert pivot(frame.iloc[:0], "batch_size", "framework").empty
