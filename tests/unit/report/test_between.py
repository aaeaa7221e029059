from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import intervals
from benchmarks.errors import UsageError
from benchmarks.storage import read_all
from report import between_tables, load, ratios
from report.between import between, frameworks, revisions
from report.metrics import metric, numeric

LATER = {"sweep": "20260201T000000-bbbbbb"}
STEADY = (1000.0, 1010.0, 990.0, 1005.0, 995.0, 1002.0)
SLOWER = tuple(0.9 * speed for speed in STEADY)


@pytest.fixture
def compare(write_set):
    """Compare two lists of rows, given as BASE and NEW."""

    def write(base, new, *arguments, **options):
        return between(load(write_set("base", *base)), load(write_set("new", *new)), *arguments, **options)

    return write


def verdicts(table):
    return dict(zip(table["framework"], table["verdict"], strict=True))


def test_welch_is_scipy_s():
    generator = np.random.default_rng(0)
    sides = [np.exp(generator.normal(mean, spread, n)) for mean, spread, n in ((0, 0.1, 6), (0.1, 0.3, 9))]
    base, new = (ratios.summary(pd.DataFrame({"cell": 0, "value": values}), "cell") for values in sides)
    found = ratios.welch(base, new).loc[0]
    expected = stats.ttest_ind(np.log(sides[1]), np.log(sides[0]), equal_var=False)
    bounds = np.exp(expected.confidence_interval(0.95))
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["ratio_low"], found["ratio_high"]) == pytest.approx((bounds[0], bounds[1]))
    assert found["n"] == 6
    alone = intervals.speed(sides[0].tolist())
    assert tuple(base.loc[0, ["median", "low", "high"]]) == pytest.approx((alone.estimate, alone.low, alone.high))


def test_pairs_are_those_of_the_intervals_module():
    base, new = np.array(STEADY), np.array([1100.0, 900, 1200, 1300, 800, 1150])
    found = ratios.paired(pd.DataFrame({"line": 3, "base": base, "new": new}), "line").loc[3]
    expected = intervals.paired(new.tolist(), base.tolist())
    shown = tuple(found[["ratio", "ratio_low", "ratio_high", "p"]])
    assert shown == pytest.approx((expected.estimate, expected.low, expected.high, expected.p))


def test_each_verdict_is_found(compare, launches):
    table = compare(
        [
            *launches(*STEADY, framework="torch"),
            *launches(*STEADY, framework="jax"),
            *launches(*STEADY, framework="mxnet"),
            *launches(900, 1500, 600, 1200, 700, 1400, framework="numpy"),
            *launches(*STEADY[:5], framework="paddle"),
            *launches(*STEADY, framework="tensorflow"),
        ],
        [
            *launches(*SLOWER, framework="torch", **LATER),
            *launches(*STEADY[::-1], framework="jax", **LATER),
            *launches(*(1.1 * speed for speed in STEADY), framework="mxnet", **LATER),
            *launches(800, 1400, 700, 1300, 600, 1500, framework="numpy", **LATER),
            *launches(*SLOWER, framework="paddle", **LATER),
            *launches(*STEADY, framework="tensorflow", dtype="float64", **LATER),
        ],
    )
    assert verdicts(table[table["framework"] != "tensorflow"]) == {
        "torch": "slower", "jax": "equivalent", "mxnet": "faster", "numpy": "not distinguished", "paddle": "",
    }  # fmt: skip
    alone = table[table["framework"] == "tensorflow"].set_index("dtype")["verdict"]
    assert dict(alone) == {"float32": "only in base", "float64": "only in new"}
    torch = table[table["framework"] == "torch"].iloc[0]
    assert torch["ratio"] == pytest.approx(0.9)
    assert torch["ratio_low"] < 0.9 < torch["ratio_high"]
    assert (torch["base_median"], torch["new_median"]) == pytest.approx((1001, 900.9))
    assert (torch["base_launches"], torch["new_launches"]) == (6, 6)
    assert torch["times"] == "different times"
    assert table[table["framework"] == "paddle"]["ratio"].notna().all()


def test_the_same_launches_on_both_sides_are_no_news(compare, launches):
    [line] = compare(launches(900, 1500, 600, 1200, 700, 1400), launches(900, 1500, 600, 1200, 700, 1400)).to_dict(
        "records"
    )
    assert (line["ratio"], line["ratio_low"], line["ratio_high"]) == (1, 1, 1)
    assert (line["verdict"], line["times"]) == ("equivalent", "same launches")


def test_a_cell_is_no_longer_valid_with_its_statuses_and_reason(compare, launches, make):
    broken = [make(status="crashed", reason="SIGSEGV", train_samples_per_s=None, **LATER)]
    [line] = compare(launches(*STEADY), broken).to_dict("records")
    assert line["verdict"] == "no longer valid"
    assert line["notes"] == "NEW 1 of 1 crashed (SIGSEGV)"
    [line] = compare(broken, launches(*STEADY, sweep="20260301T000000-cccccc")).to_dict("records")
    assert line["verdict"] == "newly valid"
    assert pd.isna(line["ratio"])


def test_launches_that_failed_among_others_are_told(compare, launches, make):
    wrong = make(round=6, status="nan", train_samples_per_s=None, **LATER)
    [line] = compare(launches(*STEADY), [*launches(*STEADY, **LATER), wrong]).to_dict("records")
    assert (line["verdict"], line["notes"]) == ("equivalent", "NEW 1 of 7 nan")


@pytest.mark.parametrize(
    ("axis", "was", "became", "words"),
    [
        ("threads", {"threads": 1}, {"threads": 2}, "1 thread in BASE, 2 in NEW"),
        ("mode", {"mode": "eager"}, {"mode": "fused"}, "mode eager in BASE, fused in NEW"),
        ("machine", {"device_name": "Old"}, {"device_name": "New"}, r"machine Old \(abc\) in BASE, New \(abc\) in NEW"),
    ],
)
def test_unlike_cells_are_refused_until_asked_for_then_labelled(compare, launches, axis, was, became, words):
    base, new = launches(*STEADY, **was), launches(*STEADY, **became, **LATER)
    with pytest.raises(UsageError, match=f"torch mlp: {words}; .*--across {axis}") as caught:
        compare(base, new)
    assert "\n" not in str(caught.value)
    [line] = compare((), (), across=[axis]).to_dict("records")  # the same two folders
    assert line["verdict"] == "equivalent"
    [(name, value)] = became.items()
    assert line[name] == value
    assert f": {next(iter(was.values()))} -> {value}" in line["changes"]


def test_kinds_of_machines_are_machines_though_their_processors_have_one_name(write_set, launches):
    base = load(write_set("base", *launches(*STEADY), machine_kind="small"))
    new = load(write_set("new", *launches(*STEADY, **LATER), machine_kind="large"))
    with pytest.raises(UsageError, match="--across machine"):
        between(base, new)


def test_every_axis_that_is_needed_is_named_at_once(compare, launches):
    base = [*launches(*STEADY), *launches(*STEADY, framework="jax", mode="compiled")]
    new = [*launches(*STEADY, threads=1, **LATER), *launches(*STEADY, framework="jax", mode="fused", **LATER)]
    with pytest.raises(UsageError, match=r"and 1 more such cells.*--across threads,mode"):
        compare(base, new)


def test_a_cell_with_its_equal_meets_no_other(compare, launches):
    """A new number of threads beside the old one is news, not a reason to refuse."""
    new = [*launches(*STEADY, **LATER), *launches(*STEADY, threads=1, **LATER)]
    table = compare(launches(*STEADY), new)
    assert dict(zip(table["threads"], table["verdict"], strict=True)) == {2: "equivalent", 1: "only in new"}


def test_an_unknown_axis_or_metric_lists_what_there_is(compare, launches):
    with pytest.raises(UsageError, match="threads, machine, mode"):
        compare(launches(1), launches(1), across=["dtype"])
    with pytest.raises(UsageError, match=r"did you mean import_s\?"):
        compare(launches(1), launches(1), "imports_s")
    for name in ("framework", "threads", "train_chunk_s", "seed"):
        with pytest.raises(UsageError, match="no numeric column"):
            metric(name)


def test_words_follow_what_is_better(compare, make):
    def rows(scale, **changes):
        return [
            make(round=n, import_s=speed * scale, peak_rss_bytes=int(speed * scale), chunk_steps=int(speed * scale))
            | changes
            for n, speed in enumerate(STEADY)
        ]

    base, new = rows(1), rows(1.2, **LATER)
    found = {name: compare(base, new, name) for name in ("import_s", "peak_rss_bytes", "chunk_steps")}
    assert {name: table["verdict"].tolist() for name, table in found.items()} == {
        "import_s": ["slower"], "peak_rss_bytes": ["worse"], "chunk_steps": ["higher"],
    }  # fmt: skip


def test_every_number_of_a_row_is_a_metric_with_words():
    for found in numeric().values():
        assert found.worse in ("", found.above, found.below)
    assert metric("train_samples_per_s").worse == metric("train_samples_per_s").below == "slower"
    assert metric("step_latency_p50_s").worse == metric("step_latency_p50_s").above == "slower"


def test_values_of_0_have_medians_and_no_ratio(compare, make):
    base = [make(round=n, stolen_share=0.0) for n in range(6)]
    [line] = compare(base, [row | LATER | {"stolen_share": 0.1} for row in base], "stolen_share").to_dict("records")
    assert (line["base_median"], line["new_median"], line["verdict"]) == (0, 0.1, "")
    assert pd.isna(line["ratio"])


def test_no_verdict_where_some_ok_launches_lack_the_metric(compare, make):
    """Seeds that never reached the target would flatter those that did, were they left out."""
    base = [make(round=n, task="accuracy", seed=n, accuracy=0.9, time_to_accuracy_s=9.0 + n / 10) for n in range(7)]
    new = [row | LATER | {"time_to_accuracy_s": row["time_to_accuracy_s"] / 3 if row["seed"] else None} for row in base]
    [line] = compare(base, new, "time_to_accuracy_s").to_dict("records")
    assert line["ratio"] == pytest.approx(1 / 3, rel=0.05)
    assert line["verdict"] == ""


def test_accuracies_are_paired_by_seed_and_epochs(compare, make):
    def trained(accuracies, **changes):
        return [
            make(task="accuracy", round=n, seed=n, epochs=5, accuracy=a, **changes) for n, a in enumerate(accuracies)
        ]

    seeds = (0.9, 0.95, 0.97, 0.92)
    base = [*trained(seeds), *trained(seeds, framework="jax"), *trained(seeds, framework="numpy")]
    new = [
        *trained([a - 0.01 for a in seeds[:3]], **LATER),
        *trained(seeds[::-1], framework="jax", **LATER),
        *(row | {"epochs": 3} for row in trained(seeds, framework="numpy", **LATER)),
    ]
    table = compare(base, new).set_index("framework")
    assert table.loc["torch", "difference"] == pytest.approx(-0.01)
    assert (table.loc["torch", "seeds"], table.loc["torch", "accuracy_verdict"]) == (3, "different")
    assert table.loc["jax", "accuracy_verdict"] == "not distinguished"
    assert pd.isna(table.loc["numpy", "difference"])
    assert table.loc["numpy", "new_accuracy"] == pytest.approx(0.935)


def test_an_accuracy_that_is_lost_is_no_longer_valid(compare, make):
    trained = make(task="accuracy", seed=0, epochs=5, accuracy=0.9)
    lost = trained | LATER | {"status": "nan", "accuracy": None, "reason": "loss is NaN"}
    [line] = compare([trained], [lost]).to_dict("records")
    assert (line["accuracy_verdict"], line["notes"]) == ("no longer valid", "NEW accuracy 1 of 1 nan (loss is NaN)")


def test_what_changed_is_told_from_rows_and_run_records(write_set, launches):
    def record(commit, lock):
        return {"commit": commit, "code": "same", "frameworks": {"torch-cpu": {"lock": lock}}}

    base = write_set("base", *launches(*STEADY), **record("aaa", "l1"))
    new = write_set("new", *launches(*STEADY, framework_version="2.14.0", **LATER), **record("bbb", "l2"))
    table = between(load(base), load(new), records=(read_all(base), read_all(new)))
    assert table["changes"].tolist() == ["version: 2.13.0 -> 2.14.0; commit: aaa -> bbb; lock: l1 -> l2"]


def test_changes_that_all_cells_share_are_told_once(write_set, launches):
    base = write_set("base", *launches(1), *launches(1, framework="jax"), commit="aaa", frameworks=FRAMEWORKS)
    later = [*launches(1, **LATER), *launches(1, framework="jax", framework_version="3", **LATER)]
    new = write_set("new", *later, commit="bbb", frameworks=FRAMEWORKS)
    table = between(load(base), load(new), records=(read_all(base), read_all(new)))
    first, last = between_tables.sections(table, metric("train_samples_per_s"))
    assert [cells["changes"] for cells in first[2]] == ["version: 2.13.0 -> 3", ""]
    assert last[2] == [{"change": "commit: aaa -> bbb"}]


FRAMEWORKS = {"torch-cpu": {"lock": "1"}, "jax-cpu": {"lock": "2"}}


def test_revisions_are_paired_by_the_rounds_of_their_sweep(write_set, launches):
    drift = (1.0, 1.3, 0.7, 1.1, 0.9, 1.2)
    rows = [
        *launches(*(1000 * d for d in drift)),
        *launches(*(1100 * d for d in drift), revision="abc1234"),
        *launches(5, 5, 5, 5, 5, 5, **LATER),
    ]
    [line] = revisions(load(write_set("one", *rows))).to_dict("records")
    assert (line["ratio"], line["verdict"], line["times"]) == (pytest.approx(1 / 1.1), "slower", "same rounds")
    assert (line["base_revision"], line["changes"]) == ("abc1234", "adapters: abc1234 -> checkout")
    with pytest.raises(UsageError, match="run --against REV"):
        revisions(load(write_set("two", *launches(1))))


def test_launches_of_a_revision_do_not_count_as_the_checkout_s(compare, launches):
    base = [*launches(*STEADY), *launches(1, 1, 1, 1, 1, 1, revision="abc1234")]
    assert verdicts(compare(base, launches(*STEADY, **LATER))) == {"torch": "equivalent"}


def test_frameworks_by_any_metric_against_the_best_or_a_base(write_set, make):
    rows = [
        make(round=n, framework=framework, import_s=seconds * (1 + n / 10))
        for framework, seconds in (("torch", 1.0), ("jax", 2.0), ("numpy", 0.5))
        for n in range(6)
    ]
    frame = load(write_set("one", *rows, make(framework="paddle", status="oom", train_samples_per_s=None)))
    table = frameworks(frame, "import_s").set_index("framework")
    assert dict(table["ratio"].dropna()) == pytest.approx({"jax": 4, "numpy": 1, "torch": 2})
    assert dict(table["verdict"]) == {"jax": "slower", "numpy": "", "torch": "slower", "paddle": ""}
    assert table.loc["paddle", "notes"] == "1 of 1 oom"
    assert frameworks(frame, "import_s", "jax").set_index("framework").loc["numpy", "verdict"] == "faster"
    with pytest.raises(UsageError, match="there are: jax, numpy, torch"):
        frameworks(frame, "import_s", "mxnet")
    with pytest.raises(UsageError, match="no ok launches of any framework"):
        frameworks(frame, "dispatch_s")


def test_a_verdict_counts_how_many_were_asked_for(compare, launches):
    """What is slower alone is not distinguished among thirty cells, of which one is as slow by chance."""
    faint = (905.0, 990.0, 935.0, 975.0, 900.0, 980.0)
    assert verdicts(compare(launches(*STEADY), launches(*faint, **LATER))) == {"torch": "slower"}
    sizes = range(1, 31)
    base = [row for size in sizes for row in launches(*STEADY, batch_size=size)]
    same = [row for size in sizes for row in launches(*STEADY[::-1], batch_size=size, **LATER)]
    table = compare([*base, *launches(*STEADY)], [*same, *launches(*faint, **LATER)])
    assert table[table["batch_size"] == 100]["verdict"].tolist() == ["not distinguished"]
