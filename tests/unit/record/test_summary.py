"""What a run says of its rows is what `report compare` says later; and which comparison answers for a network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.recipes import HEADLINE
from benchmarks.cli import answer, tables
from benchmarks.plan.cells import network_order
from benchmarks.record.schema import COLUMNS, validate
from benchmarks.record.summary import answering, comparisons, same_mode, sufficient
from report.tables.compare import compare
from tests.unit.report.tables.test_compare_columns import fixture_is_constant, frame_of

RATIOS = ("ratio", "ratio_low", "ratio_high", "low", "high", "train_samples_per_s")


@pytest.fixture
def timed(row):
    """Make a speed row for each speed."""

    def make(*speeds, **changes):
        measured = {"sweep": "20260101T000000-aaaaaa", **changes}
        return [validate({**row, **measured, "round": n, "train_samples_per_s": s}) for n, s in enumerate(speeds)]

    return make


cells = st.dictionaries(
    st.tuples(st.sampled_from(["jax", "numpy", "torch"]), st.sampled_from(["eager", "fused"]), st.sampled_from([1, 2])),
    st.dictionaries(st.integers(0, 7), st.floats(1, 1e6), min_size=1),
    min_size=1,
)


@fixture_is_constant
@given(cells)
def test_a_run_and_report_say_the_same(row, found):
    rows = [
        {**row, "framework": name, "mode": mode, "batch_size": size, "round": n, "train_samples_per_s": speed}
        for (name, mode, size), rounds in found.items()
        for n, speed in rounds.items()
    ]
    theirs = compare(frame_of(rows))
    mine = [cell for one in comparisons([validate({**row, "sweep": "s"}) for row in rows]) for cell in one.cells]
    assert len(mine) == len(theirs)
    by_key = theirs.set_index(["framework", "mode", "batch_size"])
    for cell in mine:
        line = by_key.loc[(cell["framework"], cell["mode"], cell["batch_size"])]
        assert (cell["launches"], cell["verdict"]) == (line["launches"], line["verdict"])
        for name in RATIOS:
            known = np.nan if cell[name] is None else cell[name]
            assert known == pytest.approx(np.nan if pd.isna(line[name]) else line[name], rel=1e-9, nan_ok=True)


def test_each_framework_stands_in_its_best_mode_and_all_that_have_it_in_the_same(timed):
    rows = [
        *timed(900, framework="torch"),
        *timed(1000, framework="torch", mode="compiled"),
        *timed(800, framework="jax", mode="compiled"),
        *timed(500, framework="jax"),
        *timed(100, framework="numpy"),
    ]
    [one] = comparisons(rows)
    assert [(cell["framework"], cell["mode"]) for cell in one.best] == [
        ("torch", "compiled"), ("jax", "compiled"), ("numpy", "eager"),
    ]  # fmt: skip
    assert [(cell["framework"], cell["ratio"]) for cell in one.same] == [
        ("torch", 1), ("jax", pytest.approx(5 / 9)), ("numpy", pytest.approx(1 / 9)),
    ]  # fmt: skip
    assert {cell["mode"] for cell in one.same} == {"eager"}
    titles = [title.split("; ", 1)[1] for title, _, _ in answer.sections(one)]
    assert titles == [
        "each in its best mode; provisional: 1 launch each", "all in the same mode: eager; provisional: 1 launch each",
    ]  # fmt: skip


def test_modes_that_nobody_chose_need_no_second_table(timed):
    [one] = comparisons([*timed(900), *timed(800, framework="jax", mode="fused"), *timed(1, framework="numpy")])
    assert one.same == []
    assert [title.count(";") for title, _, _ in answer.sections(one)] == [1]


def test_the_mode_that_most_have_is_the_same_mode():
    assert same_mode([("a", "eager"), ("b", "eager"), ("b", "fused")]) == "eager"
    assert same_mode([("a", "eager"), ("b", "compiled")]) == "compiled"
    assert same_mode([("a", "zoned"), ("a", "other")]) == "other"


def test_networks_stand_in_one_order_the_headline_ones_first():
    assert sorted(["a", "lenet", "z", "mlp"], key=network_order) == [*HEADLINE, "a", "z"]


def test_the_smallest_batch_with_95_per_cent_of_the_best_speed_is_enough():
    assert sufficient({10: 50.0, 100: 95.0, 1000: 100.0, 10_000: 99.0}) == 100
    assert sufficient({10: 50.0, 100: 94.9, 1000: 100.0}) == 1000
    assert sufficient({10: 1.0}) == 10


def test_a_network_s_answer_is_its_comparison_with_most_frameworks_in_usual_settings(timed):
    rows = [
        *timed(1, 1, 1, batch_size=10),
        *timed(1, batch_size=100),
        *timed(1, batch_size=64, framework="jax"),
        *timed(1, model="lenet", recipe="lenet", input="host"),
        *timed(1, model="lenet", recipe="lenet", input="host", framework="jax"),
        *timed(1, model="lenet", recipe="lenet"),
        *timed(None, model="lenet5", recipe="lenet5"),
    ]
    chosen = [one.cells[0] for one in answering(comparisons(rows))]
    assert [(cell["model"], cell["batch_size"], cell["input"]) for cell in chosen] == [
        ("mlp", 100, "preloaded"), ("lenet", 100, "host"),
    ]  # fmt: skip


STEADY = (1000.0, 1010, 990, 1005, 995, 1002)


def test_the_answer_says_who_is_fastest_and_how_the_others_compare(timed):
    wild = [speed * scale for speed, scale in zip(STEADY, (0.5, 1, 0.8, 1.1, 0.7, 0.9), strict=True)]
    rows = [
        *timed(*STEADY),
        *timed(*(speed * 0.99 for speed in STEADY), framework="jax"),
        *timed(*(speed * 0.991 for speed in STEADY), framework="numpy"),
        *timed(*(speed * 0.5 for speed in STEADY), framework="paddle"),
        *timed(*wild, framework="mxnet"),
    ]
    [words] = answer.answers(comparisons(rows))
    assert words == (
        "mlp, batch 100: torch 1,000 samples/s (± 0.7 %); numpy and jax equivalent; "
        "mxnet 0.81 of it, not distinguished; paddle 0.50 of it, slower"
    )
    [title] = [title for one in comparisons(rows) for title, _, _ in answer.sections(one)]
    assert "provisional" not in title


def test_few_launches_are_provisional_and_have_no_verdict(timed):
    [words] = answer.answers(comparisons([*timed(1000), *timed(860, framework="jax")]))
    assert words == (
        "mlp, batch 100: torch 1,000 samples/s; jax 0.86 of it; provisional: 1 launch each, a verdict needs 6 rounds"
    )
    [words] = answer.answers(comparisons(timed(*STEADY[:3])))
    assert words.startswith("mlp, batch 100: torch 1,000 samples/s (± 3 %); provisional: 3 launches each")


def test_a_lesser_verdict_of_the_gate_stands_beside_a_speed_however_narrow_the_terminal(timed):
    rows = [*timed(*STEADY), *timed(*(speed * 0.5 for speed in STEADY), framework="mlx", lockstep="float32 only")]
    [words] = answer.answers(comparisons(rows))
    assert words.endswith("; mlx (verified in float32 only) 0.50 of it, slower")
    for these, shown in ((rows, True), (rows[: len(STEADY)], False)):
        [table] = tables.sweep_tables(these, 20)
        assert ("verified" in [str(column.header) for column in table.columns]) == shown


def test_a_batch_size_is_recommended_where_several_were_measured(timed):
    rows = [
        *timed(500, batch_size=10), *timed(980, batch_size=100), *timed(1000, batch_size=1000),
        *timed(100, batch_size=10, framework="jax"), *timed(200, batch_size=100, framework="jax"),
        *timed(400, batch_size=1000, framework="jax"),
    ]  # fmt: skip
    _, words = answer.answers(comparisons(rows))
    assert words == (
        "mlp: batch size 100: the smallest of 10, 100 and 1,000 with 95 % of the best speed, which is 1,000 samples/s "
        "of torch; by framework jax 1,000, torch 100; provisional"
    )


def test_what_has_no_speed_is_named(timed, row):
    failed = validate({**row, "sweep": "s", "framework": "jax", "status": "oom"})
    [words] = answer.answers(comparisons([*timed(1000), failed]))
    assert "; no speed of jax; " in words
    assert list(answer.answers(comparisons([failed]))) == []
    assert comparisons([]) == []


def test_answers_of_several_devices_and_data_sets_name_them(timed):
    rows = [*timed(1), *timed(2, device="gpu", device_name="A card", dataset="mnist")]
    assert [words.split(", batch")[0] for words in answer.answers(comparisons(rows))] == [
        "mlp, gpu, mnist", "mlp, cpu, mnist-5k",
    ]  # fmt: skip


def test_every_column_that_a_summary_reads_is_one_of_a_row():
    assert {"sweep", "round", "device_name", "model"} <= {column.name for column in COLUMNS}
