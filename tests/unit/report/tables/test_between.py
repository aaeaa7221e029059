from __future__ import annotations

import itertools

import pandas as pd
import pytest

from benchmarks.errors import UsageError
from report.results.load import load
from report.tables import gate, render
from report.tables.between import between, frameworks, revisions, versions, wrappers
from report.tables.metrics import metric
from tests.kept import read_all
from tests.unit.report.known import LATER, SLOWER, STEADY


def verdicts(table):
    return dict(zip(table["framework"], table["verdict"], strict=True))


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
    assert 1 - torch["ratio_low"] / 0.9 < torch["findable"] < 0.05
    assert (torch["base_middle"], torch["new_middle"]) == pytest.approx((1000.3122, 900.2810))  # geometric means
    assert (torch["base_launches"], torch["new_launches"]) == (6, 6)
    assert torch["times"] == "different times"
    assert table[table["framework"] == "paddle"]["ratio"].notna().all()
    assert table.set_index("framework")["findable"].drop("tensorflow").isna().to_dict() == {
        "torch": False, "jax": False, "mxnet": False, "numpy": False, "paddle": True,
    }  # fmt: skip


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


@pytest.mark.parametrize(
    ("later", "said"), [(1.2, "the machine itself: canary +20% s"), (0.8, "canary -20% s"), (1.04, "")]
)
def test_a_machine_that_changed_its_speed_between_two_times_says_so(compare, launches, later, said):
    """The false `faster` of a busy hour cannot be told from a real one by its launches; the canary tells."""
    base = launches(*STEADY, canary_before_s=[0.001, 0.003])
    table = compare(base, launches(*SLOWER, canary_before_s=[0.001 * later, 0.003 * later], **LATER))
    [changed] = table["changes"]
    assert said in changed
    assert bool(changed) == bool(said)
    asked = metric("train_samples_per_s")
    [line] = gate.judge(table, gate.gate_rules("slower", asked), asked).regressions
    assert said in line
    [unchanged] = compare(launches(*STEADY), launches(*STEADY, **LATER))["changes"]  # rows of schema 2 have no canary
    assert unchanged == ""


def test_changes_that_all_cells_share_are_told_once(write_set, launches):
    base = write_set("base", *launches(1), *launches(1, framework="jax"), commit="aaa", frameworks=FRAMEWORKS)
    later = [*launches(1, **LATER), *launches(1, framework="jax", framework_version="3", **LATER)]
    new = write_set("new", *later, commit="bbb", frameworks=FRAMEWORKS)
    table = between(load(base), load(new), records=(read_all(base), read_all(new)))
    first, last = render.sides(table, metric("train_samples_per_s"))
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


def test_releases_of_a_framework_against_its_oldest_or_newest(write_set, launches):
    drift = (1.0, 1.3, 0.7, 1.1, 0.9, 1.2)

    def arm(speed, name, version, **changes):
        return launches(*(speed * d for d in drift), framework=name, framework_version=version, **changes)

    rows = [
        *arm(1000, "jax@0.10.0", "0.10.0", lockstep_float64_deviation=1e-15),
        *arm(900, "jax", "0.10.2", lockstep_float64_deviation=2e-15),
        *arm(1000, "jax@0.9.1", "0.9.1", lockstep_float64_deviation=1e-15),  # older, though greater as text
        *arm(500, "torch", "2.13.0"),
    ]
    frame = load(write_set("one", *rows))
    table = versions(frame).set_index("framework")
    assert list(table["base_framework"]) == ["jax@0.9.1"] * 2
    assert dict(table["ratio"]) == pytest.approx({"jax": 0.9, "jax@0.10.0": 1})
    assert dict(table["verdict"]) == {"jax": "slower", "jax@0.10.0": "equivalent"}
    assert table.loc["jax", "changes"] == "version: 0.9.1 -> 0.10.2; float64 deviation: 1.0e-15 -> 2.0e-15"
    assert table.loc["jax@0.10.0", "changes"] == "version: 0.9.1 -> 0.10.0"
    assert dict(versions(frame, newest=True).set_index("framework")["base_framework"].items()) == {
        "jax@0.10.0": "jax",
        "jax@0.9.1": "jax",
    }
    with pytest.raises(UsageError, match=r"run --framework jax@0\.7\.2,jax"):
        versions(load(write_set("two", *launches(1))))


def test_wrappers_against_the_best_mode_of_their_own_framework(write_set, launches):
    drift = (1.0, 1.3, 0.7, 1.1, 0.9, 1.2)

    def arm(speed, name, **changes):
        return launches(*(speed * d for d in drift), framework=name, **changes)

    rows = [
        *arm(1000, "tensorflow", mode="fused"),
        *arm(800, "tensorflow", mode="compiled"),
        *arm(400, "tensorflow@keras-fit", mode="compiled"),
        *arm(500, "torch"),
        *arm(450, "torch@lightning"),
        *arm(450, "torch@2.0.0"),
        *arm(100, "jax@keras-fit"),  # alone
    ]
    frame = load(write_set("one", *rows))
    table = wrappers(frame).set_index("framework")
    assert dict(table["base_framework"]) == {"tensorflow@keras-fit": "tensorflow", "torch@lightning": "torch"}
    assert dict(table["ratio"]) == pytest.approx({"tensorflow@keras-fit": 0.4, "torch@lightning": 0.9})
    assert set(table["verdict"]) == {"slower"}
    assert table.loc["tensorflow@keras-fit", "changes"] == "mode: fused -> compiled"
    assert set(versions(frame)["framework"]) == {"torch@2.0.0"}  # a wrapper is no release
    with pytest.raises(UsageError, match="run --framework torch,torch@keras-fit"):
        wrappers(load(write_set("two", *launches(1))))


def test_a_release_that_is_invalid_harms_no_other(write_set, launches, make):
    wrong = {"status": "invalid", "reason": "parts from the reference", "train_samples_per_s": None}
    rows = [
        *(make(round=n, framework="jax@0.4.38", framework_version="0.4.38", **wrong) for n in range(6)),
        *launches(*STEADY, framework="jax@0.7.2", framework_version="0.7.2"),
        *launches(*STEADY, framework="jax@again", framework_version="0.7.2"),
    ]
    table = versions(load(write_set("one", *rows))).set_index("framework")
    assert dict(table["base_framework"]) == {"jax@0.4.38": "jax@0.7.2", "jax@again": "jax@0.7.2"}
    assert dict(table["verdict"]) == {"jax@0.4.38": "no longer valid", "jax@again": "equivalent"}
    assert "parts from the reference" in table.loc["jax@0.4.38", "notes"]


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


@pytest.mark.parametrize(("base", "new"), [*itertools.product(range(5), repeat=2)])
def test_odd_sets_have_tables_and_gates_too(compare, make, base, new):
    """One row, all failed, only a revision's rows, accuracies alone, a row without its speed."""
    odd = [
        make(),
        make(status="oom", train_samples_per_s=None),
        make(revision="abc1234"),
        make(task="accuracy", accuracy=0.9, epochs=1, train_samples_per_s=None),
        make(train_samples_per_s=None),
    ]
    asked = metric("train_samples_per_s")
    table = compare([odd[base]], [odd[new]])
    list(render.sides(table, asked))
    found = gate.judge(table, gate.gate_rules("slower,accuracy,only-in-base", asked), asked)
    assert len(table) == (0 if base == new == 2 else 1)
    assert not table["verdict"].isin(["faster", "slower", "equivalent"]).any()
    assert bool(found.regressions) == table["verdict"].isin(["no longer valid", "only in base"]).any()
