"""A comparison of whole columns says what intervals.py and accuracies.py say, launch by launch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from benchmarks import stats
from benchmarks.errors import UsageError
from benchmarks.record.schema import COLUMNS, validate
from report.tables.compare import COMPARISON, MANY, REQUIRED_COLUMNS, SHOWN, compare, first_comparisons, newest
from tests.unit.conftest import examples

FRAMEWORKS = ("jax", "numpy", "torch")
KINDS = {"int": "Int64", "float": "Float64", "str": "string"}


def frame_of(rows) -> pd.DataFrame:
    """Return rows as load does, without writing them."""
    frame = pd.DataFrame([validate(row) for row in rows], columns=[column.name for column in COLUMNS])
    frame = frame.astype({column.name: KINDS[column.kind] for column in COLUMNS if column.kind in KINDS})
    kind = pd.array(["abc"] * len(frame), "string")
    return frame.assign(machine_kind=kind, machine=kind, session=frame["sweep"], overtaken=False)


speeds = st.sampled_from([900.0, 1000.0, 1010.0, 1500.0]) | st.floats(1, 1e6)
launches = st.dictionaries(
    st.tuples(st.sampled_from(FRAMEWORKS), st.sampled_from([1, 2])),
    st.dictionaries(st.integers(0, 8), speeds, min_size=1)
    | st.lists(speeds, min_size=6, max_size=8).map(enumerate).map(dict),
)
fixture_is_constant = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(40)
)


@fixture_is_constant
@given(launches, st.sampled_from([None, *FRAMEWORKS]))
def test_speeds_ratios_and_verdicts_are_those_of_each_pair(row, found, base):
    apart = {name: 1 + 1e-5 * place for place, name in enumerate(FRAMEWORKS)}  # no two are equal but for rounding
    found = {key: {n: speed * apart[key[0]] for n, speed in rounds.items()} for key, rounds in found.items()}
    rows = [
        {**row, "framework": framework, "batch_size": size, "round": n, "train_samples_per_s": speed}
        for (framework, size), rounds in found.items()
        for n, speed in rounds.items()
    ]
    assume(base in {None, *(framework for framework, _ in found)})
    table = compare(frame_of(rows), base).set_index(["batch_size", "framework"])
    by_cell = {(size, framework): rounds for (framework, size), rounds in found.items()}
    pairs = {}
    for (size, framework), rounds in by_cell.items():
        line, own = table.loc[(size, framework)], stats.speed(list(rounds.values()))
        assert line["train_samples_per_s"] == pytest.approx(own.estimate)
        assert_bounds(line, "", *((own.low, own.high) if own.n >= 3 else (np.nan, np.nan)))
        cells = {name: rounds for (s, name), rounds in by_cell.items() if s == size}
        reference = best(cells, base)
        if reference not in cells:
            assert pd.isna(line["ratio"])
        elif reference == framework:
            assert line["ratio"] == 1
        elif common := sorted(rounds.keys() & by_cell[size, reference].keys()):
            pair = stats.paired(*([by_cell[size, name][n] for n in common] for name in (framework, reference)))
            pairs[size, framework] = pair
            assert line["ratio"] == pytest.approx(np.exp(pair.mean))
        else:
            assert line["ratio"] == pytest.approx(own.estimate / stats.speed(list(cells[reference].values())).estimate)
    chosen = None if base or len(by_cell) == len({size for size, _ in by_cell}) else [size for size, _ in pairs]
    judged = together(pairs, stats.judged_ratios, chosen)
    for key in by_cell:
        low, high, verdict = judged.get(key, (np.nan, np.nan, ""))
        assert_bounds(table.loc[key], "ratio_", low, high)
        assert table.loc[key, "verdict"] == verdict


def best(cells, base) -> str:
    """Return the reference of one comparison's cells, rounds by framework: the one that no ratio exceeds."""
    means = {name: stats.speed(list(rounds.values())).estimate for name, rounds in sorted(cells.items())}
    reference = highest = base or max(means, key=means.get)
    for _ in range(8):
        if base or not (ahead := {n: r for n in cells if (r := ratio(cells, means, n, reference)) > 1 + 1e-9}):
            return reference
        reference = max(ahead, key=ahead.get)
    return highest


def ratio(cells, means, name, reference) -> float:
    """Return the paired ratio where there are common rounds, else that of the means."""
    if name != reference and (common := sorted(cells[name].keys() & cells[reference].keys())):
        return float(np.exp(stats.paired(*([cells[which][n] for n in common] for which in (name, reference))).mean))
    return means[name] / means[reference]


def assert_bounds(line, prefix, *expected):
    """Check a line's bounds, which are missing with fewer than three values."""
    for name, bound in zip(("low", "high"), expected, strict=True):
        shown = line[f"{prefix}{name}"]
        assert pd.isna(shown) if np.isnan(bound) else shown == pytest.approx(bound, rel=1e-6)


def together(pairs, judge, chosen=None) -> dict:
    """Return low, high and verdict of samples that are judged as one table."""
    columns = (np.array([float(getattr(pair, name)) for pair in pairs.values()]) for name in ("mean", "std", "n"))
    judged = judge(table := stats.Means(*columns), stats.simultaneous(table, chosen))
    return dict(zip(pairs, zip(judged.low, judged.high, judged.verdict.tolist(), strict=True), strict=True))


seeds = st.lists(
    st.tuples(
        st.sampled_from(FRAMEWORKS), st.integers(0, 5), st.sampled_from([0.9, 0.901, 0.95]), st.none() | st.floats(1, 9)
    ),
    unique_by=lambda launch: launch[:2],
    max_size=18,
)


@fixture_is_constant
@given(seeds)
def test_accuracies_are_those_of_each_pair(row, found):
    trained = {**row, "sweep": "one", "task": "accuracy", "epochs": 3, "accuracy_target": 0.9}
    rows = [
        {**trained, "framework": framework, "seed": seed, "accuracy": accuracy, "time_to_accuracy_s": time}
        for framework, seed, accuracy, time in found
    ]
    table = compare(frame_of(rows)).set_index("framework")
    by_cell: dict = {}
    for framework, seed, accuracy, _ in found:
        by_cell.setdefault(framework, {})[seed] = accuracy
    reference = "numpy" if "numpy" in by_cell else min(by_cell, default=None)
    pairs = {}
    for framework, own in by_cell.items():
        line, mean = table.loc[framework], stats.sample(list(own.values()))
        times = [time for name, _, _, time in found if name == framework]
        assert line["seeds"] == mean.n
        assert line["accuracy"] == pytest.approx(mean.mean)
        assert_bounds(line, "accuracy_", *mean.bounds())
        assert line["difference_to"] == reference
        assert line["reached"] == len(times) - times.count(None)
        expected = stats.median_time(times)
        assert pd.isna(line["time_to_accuracy_s"]) if expected is None else line["time_to_accuracy_s"] == expected
        if framework != reference and (common := sorted(own.keys() & by_cell[reference].keys())):
            pairs[framework] = stats.sample([own[n] - by_cell[reference][n] for n in common])
            assert line["difference"] == pytest.approx(pairs[framework].mean)
    judged = together(pairs, stats.judged_accuracies)
    for name in by_cell:
        low, high, verdict = judged.get(name, (np.nan, np.nan, ""))
        assert_bounds(table.loc[name], "difference_", low, high)
        assert table.loc[name, "accuracy_verdict"] == verdict


def test_a_resumed_sweep_s_launches_count_with_those_of_the_sweep_that_resumed_it(row):
    rows = [{**row, "sweep": sweep, "round": n, "train_samples_per_s": 100.0} for n, sweep in enumerate(("1", "2"))]
    frame = frame_of(rows)
    assert compare(frame)["launches"].tolist() == [1]
    frame["session"] = pd.array(["2", "2"], "string")
    assert compare(frame)["launches"].tolist() == [2]
    assert len(newest(frame)) == 2


def test_another_revision_s_adapters_do_not_count(row):
    measured = {**row, "train_samples_per_s": 100.0}
    frame = frame_of([measured, {**measured, "revision": "abc", "train_samples_per_s": 9.0, "round": 1}])
    assert compare(frame)["train_samples_per_s"].tolist() == [100]
    assert compare(frame.iloc[1:]).empty


def test_an_ok_launch_without_a_speed_has_no_figures_and_hides_none(row):
    table = compare(frame_of([row, {**row, "framework": "jax", "train_samples_per_s": 10.0}])).set_index("framework")
    assert table.loc["torch", "launches"] == 1
    assert table.loc["torch", ["train_samples_per_s", "low", "ratio"]].isna().all()
    assert table.loc["jax", "ratio"] == 1


def test_a_launch_written_twice_counts_once_in_an_interval(row):
    rows = [
        {**row, "round": n, "train_samples_per_s": speed} for n, speed in ((0, 5.0), (0, 100.0), (1, 100.0), (2, 100.0))
    ]
    [line] = compare(frame_of(rows)).to_dict("records")
    assert (line["low"], line["high"]) == pytest.approx((100, 100))


def test_no_rows_one_row_and_failures_alone_are_tables(row):
    frame = frame_of([row])
    assert compare(frame.iloc[:0]).empty
    assert list(compare(frame.iloc[:0])) == list(compare(frame))
    failed = frame_of([{**row, "status": "oom", "flags": ["noisy"]}])
    [line] = compare(failed).to_dict("records")
    assert (line["status"], line["launches"], line["verdict"]) == ("oom", 0, "")
    assert pd.isna(line["flags"])
    with pytest.raises(UsageError, match="no rows at all"):
        compare(frame.iloc[:0], "torch")


def test_names_from_rows_forge_no_message(row):
    with pytest.raises(UsageError, match=r"there are: \\x1b") as caught:
        compare(frame_of([{**row, "framework": "\x1b[31m\n"}]), "torch")
    assert "\n" not in str(caught.value)


def test_a_frame_without_a_needed_column_is_refused_by_name(row):
    with pytest.raises(UsageError, match="without round, mfu;"):
        compare(frame_of([row]).drop(columns=["mfu", "round"]))
    frame = frame_of([{**row, "train_samples_per_s": 10.0}])
    pd.testing.assert_frame_equal(compare(frame[REQUIRED_COLUMNS]), compare(frame))


def test_of_many_comparisons_the_first_are_shown_and_the_others_counted(row):
    rows = [{**row, "batch_size": n, "framework": f, "round": 0} for n in range(1, MANY + 2) for f in FRAMEWORKS]
    table = compare(frame_of(rows))
    shown, more = first_comparisons(table)
    assert shown[COMPARISON].drop_duplicates()["batch_size"].tolist() == list(range(1, SHOWN + 1))
    assert len(shown) == SHOWN * len(FRAMEWORKS)
    assert more.startswith(f"{MANY + 1 - SHOWN} more comparisons; --all")
    few = table[table["batch_size"] <= MANY]
    shown, more = first_comparisons(few)
    assert (len(shown), more) == (len(few), "")
