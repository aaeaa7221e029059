from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.errors import UsageError
from benchmarks.record.store import append
from report import formats
from report.results.load import load
from report.tables import render
from report.tables.compare import compare, newest

HOSTILE = "</script><script>alert(1)</script> | **x** [red]y[/red] \x1b[31m"


@pytest.fixture
def make(row):
    """Make an ok speed row with a few changes."""
    measured = {"framework_version": "2.13.0", "train_samples_per_s": 1000.0, "flops_per_s": 454_400_000.0}
    return lambda **changes: {**row, "sweep": "20260101T000000-aaaaaa", **measured, **changes}


@pytest.fixture
def results(tmp_path):
    def write(*rows):
        for row in rows:
            path = tmp_path / f"{row['sweep']}.jsonl"
            if not path.exists():
                append(path, "run", {"machine_kind": "abc"})
            append(path, "row", row)
        return tmp_path

    return write


def test_geometric_mean_over_launches_and_ratio_to_the_fastest(results, make):
    frame = load(
        results(
            *(make(round=n, train_samples_per_s=speed) for n, speed in enumerate((900.0, 1000.0, 5000.0))),
            make(framework="jax", train_samples_per_s=2000.0),
            *(
                make(framework="jax", task="accuracy", seed=n, train_samples_per_s=None, flops_per_s=None, accuracy=a)
                for n, a in enumerate((0.92, 0.94))
            ),
        )
    )
    table = compare(frame).set_index("framework")
    assert table.loc["torch", "train_samples_per_s"] == pytest.approx((900 * 1000 * 5000) ** (1 / 3))
    assert table.loc["torch", "launches"] == 3
    assert table.loc["torch", "ratio"] == pytest.approx(900 / 2000)  # of the one round that both have
    assert table.loc["jax", "launches"] == 1
    assert table.loc["jax", "accuracy"] == pytest.approx(0.93)
    assert compare(frame, "torch").set_index("framework").loc["jax", "ratio"] == pytest.approx(2000 / 900)


def test_verdicts_come_with_six_rounds_and_are_paired_by_round(results, make):
    drift = (1.0, 1.3, 0.7, 1.1, 0.9, 1.2)  # of the machine, the same for all
    wild = [900.0, 1500, 600, 1200, 700, 1400]
    frame = load(
        results(
            *(make(round=n, train_samples_per_s=1000 * d) for n, d in enumerate(drift)),
            *(make(framework="jax", round=n, train_samples_per_s=500 * d + n) for n, d in enumerate(drift)),
            *(make(framework="mxnet", round=n, train_samples_per_s=999 * d) for n, d in enumerate(drift)),
            *(make(framework="paddle", round=n, train_samples_per_s=500 * d) for n, d in enumerate(drift[:5])),
            *(make(framework="numpy", round=n, train_samples_per_s=speed) for n, speed in enumerate(wild)),
        )
    )
    table = compare(frame, "torch").set_index("framework")
    assert dict(table["verdict"]) == {
        "torch": "", "jax": "slower", "mxnet": "equivalent", "paddle": "", "numpy": "not distinguished",
    }  # fmt: skip
    assert table.loc["jax", "ratio_low"] < 0.503 < table.loc["jax", "ratio_high"]
    assert table.loc["torch", "low"] < 1000 < table.loc["torch", "high"]


def test_sweeps_of_different_times_share_no_rounds(results, make):
    frame = load(
        results(
            *(make(round=n, train_samples_per_s=1000.0 + n) for n in range(6)),
            *(
                make(framework="jax", sweep="20260103T000000-cccccc", round=n, train_samples_per_s=500.0)
                for n in range(6)
            ),
        )
    )
    table = compare(frame).set_index("framework")
    assert table.loc["jax", "ratio"] == pytest.approx(500 / 1002.5, rel=1e-5)
    assert table.loc["jax", "verdict"] == ""
    assert table["ratio_low"].isna().all()


def test_failed_launches_are_shown_and_never_averaged(results, make):
    frame = load(
        results(
            make(),
            make(round=1, status="crashed", reason="SIGSEGV", train_samples_per_s=None, flops_per_s=None),
            make(framework="jax", status="timeout", train_samples_per_s=None, flops_per_s=None),
        )
    )
    table = compare(frame).set_index("framework")
    assert table.loc["torch", "status"] == "crashed, ok"
    assert table.loc["torch", "launches"] == 1
    assert table.loc["jax", "launches"] == 0
    assert "timeout" in formats.markdown(render.sections(compare(frame)))


def test_mfu_is_shown_where_it_is_known_and_an_impossible_speed_is_none(results, make):
    frame = load(
        results(
            make(mfu=0.25, peak_flops_per_s=1.8e9),
            make(round=1, status="impossible", reason="above the peak", mfu=3.0, train_samples_per_s=9e9),
            make(framework="jax"),
        )
    )
    table = compare(frame).set_index("framework")
    assert table.loc["torch", "mfu"] == 0.25
    assert table.loc["torch", "train_samples_per_s"] == 1000
    assert table.loc["torch", "status"] == "impossible, ok"
    _, _, lines = next(render.sections(compare(frame)))
    assert {line["framework"]: line["mfu"] for line in lines} == {"torch": "25.0%", "jax": ""}


def test_noisy_launches_are_kept_and_shown_apart(results, make):
    launches = [make(round=n, train_samples_per_s=speed) for n, speed in enumerate((1000.0, 1010.0))]
    noisy = [
        make(round=n, train_samples_per_s=speed, flags=["noisy", "drifting"]) for n, speed in ((2, 500.0), (3, 600.0))
    ]
    table = compare(load(results(*launches, *noisy, make(framework="jax", flags=["noisy"]))))
    torch, jax = (table.set_index("framework").loc[name] for name in ("torch", "jax"))
    means = (1000 * 1010 * 500 * 600) ** (1 / 4), (1000 * 1010) ** (1 / 2)
    assert (torch["train_samples_per_s"], torch["quiet_samples_per_s"]) == pytest.approx(means)
    assert (torch["launches"], torch["quiet"], torch["flags"]) == (4, 2, "drifting 2, noisy 2")
    assert jax["quiet"] == 0
    assert pd.isna(jax["quiet_samples_per_s"])


def test_times_that_are_no_speed_have_a_table_of_their_own(results, make):
    times = {"import_s": 1.5, "first_step_s": 0.25, "step_latency_p50_s": 0.000123, "warm_up_chunks": 4}
    table = compare(load(results(make(**times, dispatch_s=0.00005), make(round=1, **times))))
    title, _, [line] = list(render.sections(table))[-1]
    assert "not in the speed" in title
    assert (line["import_s"], line["first_step_s"], line["step_latency_p50_s"]) == ("1.50", "0.25", "0.000123")
    assert (line["warm_up_chunks"], line["dispatch_s"], line["step_latency_p99_s"]) == ("4", "0.000050", "")


def test_only_the_newest_sweep_of_each_cell_counts(results, make):
    frame = load(
        results(
            make(train_samples_per_s=1.0),
            make(framework="jax"),
            make(sweep="20260102T000000-bbbbbb", train_samples_per_s=3000.0),
        )
    )
    assert set(newest(frame)["framework"]) == {"torch", "jax"}
    assert compare(frame).set_index("framework").loc["torch", "train_samples_per_s"] == 3000


def test_kinds_of_machines_never_meet_in_one_ratio_though_their_processors_have_one_name(make, tmp_path):
    for kind, sweep, speed in (("small", "20260101T000000-aaaaaa", 1.0), ("large", "20260102T000000-aaaaaa", 9.0)):
        append(tmp_path / f"{sweep}.jsonl", "run", {"machine_kind": kind})
        append(tmp_path / f"{sweep}.jsonl", "row", make(sweep=sweep, train_samples_per_s=speed))
    table = compare(load(tmp_path))
    assert table["ratio"].tolist() == [1.0, 1.0]
    assert set(table["machine_kind"]) == {"small", "large"}


def test_accuracy_and_speed_of_a_cell_may_come_from_different_sweeps(results, make):
    learnt = {"task": "accuracy", "train_samples_per_s": None, "flops_per_s": None, "accuracy": 0.9}
    table = compare(load(results(make(), make(sweep="20260102T000000-bbbbbb", **learnt)))).set_index("framework")
    assert (table.loc["torch", "train_samples_per_s"], table.loc["torch", "accuracy"]) == (1000, 0.9)


def test_machines_threads_and_batch_sizes_never_meet_in_one_ratio(results, make):
    frame = load(
        results(make(), make(device_name="Another", train_samples_per_s=9e9), make(threads=1), make(batch_size=10))
    )
    assert compare(frame)["ratio"].tolist() == [1.0] * 4


def test_an_unknown_base_is_refused_with_what_there_is(results, make):
    with pytest.raises(UsageError, match="there are: torch"):
        compare(load(results(make())), "tensorfow")


def test_text_from_rows_is_escaped_everywhere(results, make):
    hostile = {"device_name": HOSTILE, "framework_version": HOSTILE, "framework": HOSTILE}
    trained = make(task="accuracy", accuracy=0.9, epochs=1, **hostile)
    table = compare(load(results(make(**hostile), trained)))
    markdown = formats.markdown(render.sections(table))
    assert "<script" not in markdown
    widths = {line.count(" | ") + 1 for line in markdown.splitlines() if line.startswith("|")}
    headings = (render.SPEEDS, render.ACCURACIES, render.NOISE, render.TIMES)
    assert widths == {len(made) for made in headings}
    for made in formats.terminal(render.sections(table), render.NUMERIC):
        assert "\x1b" not in str(made.title)
