"""The second table of a comparison: accuracies over seeds, and the time to a fixed one."""

from __future__ import annotations

import pytest

from benchmarks.cli.tables import sweep_tables
from benchmarks.record.schema import validate
from benchmarks.record.store import append
from report import formats
from report.results.load import load
from report.tables import render
from report.tables.compare import compare
from tests.unit.conftest import in_columns


@pytest.fixture
def table(row, tmp_path):
    """Return the comparison of accuracy launches: by framework, one tuple of changes each."""

    def make(base=None, **launches):
        append(tmp_path / "one.jsonl", "run", {"machine_kind": "abc"})
        for framework, changes in launches.items():
            for seed, change in enumerate(changes):
                change = change if isinstance(change, dict) else {"accuracy": change}
                trained = {"sweep": "one", "task": "accuracy", "round": seed, "seed": seed, "epochs": 10}
                append(tmp_path / "one.jsonl", "row", {**row, **trained, "framework": framework, **change})
        return compare(load(tmp_path), base).set_index("framework")

    return make


def section(found):
    """Return the text of the accuracy table, by framework."""
    [_, (_, headings, lines)] = render.sections(found.reset_index())
    assert headings == render.ACCURACIES
    return {line["framework"]: line for line in lines}


def test_accuracies_are_compared_by_seed_with_the_oracle(table):
    seeds = (0.97, 0.975, 0.972, 0.978)
    found = table(
        jax=[a + 0.0001 for a in seeds],
        numpy=seeds,
        torch=[a - 0.01 + 0.0001 * n for n, a in enumerate(seeds)],
        mxnet=(0.96, 0.98, 0.99, 0.95),
        paddle=seeds[:2],
    )
    assert set(found["difference_to"]) == {"numpy"}
    words = {"jax": "equivalent", "numpy": "", "torch": "different", "mxnet": "not distinguished", "paddle": ""}
    assert dict(found["accuracy_verdict"]) == words
    assert found.loc["jax", "difference"] == pytest.approx(0.0001)
    assert found.loc["torch", "difference_low"] < -0.00985 < found.loc["torch", "difference_high"]
    assert found.loc["numpy", "accuracy_low"] < found.loc["numpy", "accuracy"] < found.loc["numpy", "accuracy_high"]
    text = section(found)
    assert text["torch"]["difference"] == "-0.0099"  # to four digits
    assert text["numpy"]["difference_interval"] == ""


def test_a_seed_s_pair_is_the_same_seed_s(table):
    """Seeds in another order, and one that failed, change no difference."""
    torch = [{"seed": 3, "accuracy": 0.93}, {"seed": 1, "accuracy": 0.91}, {"seed": 2, "accuracy": 0.92}]
    found = table(numpy=(0.5, 0.91, 0.92, 0.93), torch=[*torch, {"seed": 0, "status": "crashed"}])
    assert found.loc["torch", "difference"] == found.loc["torch", "difference_high"] == 0
    assert found.loc["torch", "accuracy_verdict"] == "equivalent"
    assert found.loc["torch", "seeds"] == 3


def test_the_base_is_what_was_asked_for(table):
    found = table("jax", jax=(0.9, 0.91), torch=(0.92, 0.93), numpy=(0.9, 0.9))
    assert set(found["difference_to"]) == {"jax"}
    assert found.loc["torch", "difference"] == pytest.approx(0.02)


def test_launches_of_different_epochs_are_no_pair(table):
    short = {"accuracy": 0.9, "epochs": 3}
    found = table(numpy=(0.97, 0.97, 0.97), torch=(short, short, short))
    assert found["difference"].isna()["torch"]
    assert found.loc["torch", "accuracy_verdict"] == ""


def test_a_recipe_that_stops_by_itself_pairs_whatever_it_trained(table):
    ours = [{"accuracy": 0.9, "epochs": n, "recipe": "cnn_28_dense"} for n in (5, 6, 7)]
    found = table(numpy=ours, torch=[{**change, "epochs": 9} for change in ours])
    assert found.loc["torch", "accuracy_verdict"] == "equivalent"


def test_the_time_to_accuracy_says_how_many_seeds_reached_it(table):
    def launch(seconds):
        return {"accuracy": 0.975, "accuracy_target": 0.97, "time_to_accuracy_s": seconds}

    found = table(
        numpy=[launch(seconds) for seconds in (3.0, 1.0, None, 2.0)],
        torch=[launch(None), launch(1.0)],
        jax=[{"accuracy": 0.97}],
    )
    text = section(found)
    assert [text["numpy"][name] for name in ("accuracy_target", "time_to_accuracy_s", "reached")] == [
        "0.970", "2.50", "3/4",
    ]  # fmt: skip
    assert [text["torch"][name] for name in ("time_to_accuracy_s", "reached")] == ["", "1/2"]
    assert [text["jax"][name] for name in ("accuracy_target", "time_to_accuracy_s", "reached")] == ["", "", ""]


def test_a_cell_whose_launches_all_failed_is_shown_without_figures(table):
    text = section(table(numpy=(0.97, 0.97, 0.97), torch=[{"status": "oom"}]))
    assert (text["torch"]["seeds"], text["torch"]["accuracy"], text["torch"]["difference"]) == ("0", "", "")


def test_without_accuracy_launches_there_is_no_table_of_accuracies(table):
    found = table(torch=[{"task": "speed", "train_samples_per_s": 1000.0}])
    assert not [title for title, _, _ in render.sections(found.reset_index()) if "accuracy" in title]


def test_both_tables_are_in_every_form(table):
    found = table(numpy=(0.97, 0.97), torch=(0.97, 0.97)).reset_index()
    sections = list(render.sections(found))
    assert "accuracy, differences to numpy" in formats.markdown(sections)
    titles = [str(made.title) for made in formats.terminal(sections, render.NUMERIC)]
    assert [title.endswith("differences to numpy") for title in titles] == [False, True]


@pytest.mark.parametrize(("seconds", "shown"), [([4.0, None, 2.0], "4.00 (2/3)"), ([None, 2.0], "(1/2)")])
def test_a_sweep_s_summary_shows_the_time_to_accuracy(row, seconds, shown):
    trained = {**row, "task": "accuracy", "accuracy": 0.97, "accuracy_target": 0.97}
    [made] = sweep_tables([validate({**trained, "time_to_accuracy_s": value}) for value in seconds], 200)
    assert in_columns(made)["s to target"] == [shown]
    [made] = sweep_tables([validate({**row, "task": "accuracy", "accuracy": 0.97})], 200)
    assert "s to target" not in in_columns(made)
