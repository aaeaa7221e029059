from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.errors import UsageError
from benchmarks.machine.environments import ROOT
from benchmarks.record.store import append
from report import cli
from report.results.load import load, records
from report.tables import history as searched
from report.tables.history import _cheapest, _penalty, history, sentences

ROUNDS = (1.0, 1.01, 0.99)
JAX = {"framework": "jax", "mode": "fused"}


def day(number):
    return f"202601{number:02}T000000-aaaaaa"


@pytest.fixture
def sessions(launches, write_set):
    """Write a session a day with these speeds (None: no session that day), and what its run's record says."""

    def write(*speeds, name="set", rounds=ROUNDS, run=lambda number: {}, canaries=None, **changes):
        for number, speed in enumerate(speeds, 1):
            if speed is not None:
                about = {"sweep": day(number), "started_at": f"2026-01-{number:02}T10:00:00+00:00", **changes}
                about |= {"canary_before_s": [canaries[number - 1]] * 2} if canaries is not None else {}
                folder = write_set(name, *launches(*(speed * r for r in rounds), **about), **run(number))
        return folder

    return write


def found(folder, name="train_samples_per_s"):
    return history(load(folder, [*searched.COLUMNS, name]), name, records(folder))


def steps(logs, alpha=0.05):
    return _cheapest(logs, alpha)[1]


def noise(count, std=0.005, seed=0):
    return np.exp(np.random.default_rng(seed).normal(0, std, count))


def test_each_session_has_its_mean_interval_version_and_commit(sessions):
    def run(number):
        return {"commit": f"c{number}" * 20, "frameworks": {"jax-cpu": {"lock": "l", "versions": {}}}}

    sessions(1000, 2000, run=run, **JAX)
    table = found(sessions(None, None, 1000, run=run, framework_version="2.14.0", **JAX))
    assert table["day"].tolist() == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert table["framework_version"].tolist() == ["2.13.0", "2.13.0", "2.14.0"]
    assert [commit[:4] for commit in table["commit"]] == ["c1c1", "c2c2", "c3c3"]
    assert table["middle"].tolist() == pytest.approx([999.967, 1999.93, 999.967], rel=1e-5)
    assert (table["low"] < table["middle"]).all()
    assert (table["high"] / table["middle"]).tolist() == pytest.approx([1.0252] * 3, rel=1e-3)  # t of 2 degrees
    assert table[["launches", "sessions"]].to_numpy().tolist() == [[3, 3]] * 3


def test_fewer_than_five_sessions_are_shown_and_not_searched(sessions):
    table = found(sessions(1000, 1000, 500, 500, **JAX))
    assert table[["step", "smallest", "level"]].isna().to_numpy().all()
    assert list(sentences(table)) == ["jax mlp batch 100 fused: 4 sessions; steps are looked for in 5 or more"]


def test_a_step_is_found_at_its_place_with_its_size_and_what_changed(sessions):
    def run(number):
        commit = "abc1234" * 6 if number > 7 else "0" * 40
        return {"commit": commit, "code": "same", "frameworks": {"jax-cpu": {"lock": "l", "versions": {}}}}

    speeds = 1000 * noise(12) * np.where(np.arange(12) < 7, 1, 0.94)
    sessions(*speeds[:7], run=run, **JAX)
    table = found(sessions(*[None] * 7, *speeds[7:], run=run, framework_version="2.14.0", **JAX))
    [line] = table[table["step"].notna()].to_dict("records")
    assert line["day"] == "2026-01-08"
    assert line["step"] == pytest.approx(0.94, abs=0.01)
    assert line["step_low"] < 0.94 < line["step_high"]
    assert line["changes"] == f"version: 2.13.0 -> 2.14.0; commit: {'0' * 12} -> abc1234abc12"
    [words] = sentences(table)
    assert words.startswith("jax mlp batch 100 fused: since 2026-01-08 (2.14.0, commit abc1234): -")
    smallest = f"{100 * line['smallest']:.1f}"
    assert words.endswith(f"], where {smallest} % would have been found; {line['changes']}")
    assert table["level"].nunique() == 2
    assert table["noise"].iloc[0] == pytest.approx(0.005, rel=0.4)


def test_without_a_step_none_is_found_and_the_smallest_is_named(sessions):
    table = found(sessions(*(1000 * noise(20)), **JAX))
    assert table["step"].isna().all()
    assert 0.004 < table["smallest"].iloc[0] < 0.02
    [words] = sentences(table)
    assert words == (
        "jax mlp batch 100 fused: no step in 20 sessions; "
        f"one of {100 * table['smallest'].iloc[0]:.1f} % would have been found nine times in ten"
    )


def test_one_strange_session_is_no_step_and_two_are(sessions):
    speeds = 1000 * noise(12)
    assert found(sessions(*(speeds * np.where(np.arange(12) == 5, 0.8, 1)), name="one", **JAX))["step"].isna().all()
    table = found(sessions(*(speeds * np.where(np.isin(np.arange(12), (5, 6)), 0.8, 1)), name="two", **JAX))
    assert table[table["step"].notna()]["day"].tolist() == ["2026-01-06", "2026-01-08"]
    assert table["step"].dropna().tolist() == pytest.approx([0.8, 1.25], rel=0.02)


def test_sweeps_that_resumed_one_another_are_one_session(sessions):
    def run(number):
        return {"resumes": [day(2)] if number == 3 else []}

    table = found(sessions(1000, 1000, 1000, run=run, **JAX))
    assert table["session"].tolist() == [day(1), day(3)]
    assert table["launches"].tolist() == [3, 6]


def test_kinds_of_machine_never_mix(sessions):
    sessions(1000, 1000, **JAX)
    table = found(sessions(None, None, 500, 500, run=lambda number: {"machine_kind": "other"}, **JAX))
    assert table.groupby("machine_kind")["sessions"].first().to_dict() == {"abc": 2, "other": 2}


def test_a_table_where_no_cell_has_two_sessions_is_refused(sessions):
    sessions(1000, **JAX)
    with pytest.raises(UsageError, match="no configuration with train_samples_per_s in two sessions"):
        found(sessions(None, 1000, framework="torch"))


def test_rows_of_other_revisions_alone_are_no_history(sessions):
    with pytest.raises(UsageError, match="in two sessions"):
        found(sessions(1000, 1000, revision="main", **JAX))


def test_cells_that_one_session_measured_are_left_out(sessions):
    sessions(1000, 1000, **JAX)
    assert set(found(sessions(None, 1000, framework="torch"))["framework"]) == {"jax"}


def test_equal_sessions_have_no_step_and_steps_without_noise_are_exact(sessions):
    assert len(steps(np.array([0.1 + 0.2] * 4 + [0.3] * 4))) == 0
    assert found(sessions(*[1000] * 8, name="equal", **JAX))["step"].isna().all()
    table = found(sessions(*[1000] * 4, *[960] * 4, name="stepped", rounds=(1.0,) * 3, **JAX))
    assert table[["step", "step_low", "step_high"]].dropna().to_numpy().tolist() == [pytest.approx([0.96] * 3)]


def test_launches_that_did_not_end_ok_count_in_no_session(sessions, launches):
    folder = sessions(1000, 1000, **JAX)
    for row in launches(1, 1, status="crashed", reason="x", sweep=day(1), **JAX):
        append(folder / f"{day(1)}.jsonl", "row", {**row, "round": row["round"] + 3})
    assert found(folder)["launches"].tolist() == [3, 3]


def test_a_session_without_a_logarithm_is_left_out_of_the_search(sessions):
    sessions(*[1000] * 6, stolen_share=0.1, **JAX)
    table = found(sessions(*[None] * 6, 1000, stolen_share=0.0, **JAX), "stolen_share")
    assert table["level"].notna().tolist() == [True] * 6 + [False]
    assert list(sentences(table)) == [
        "jax mlp batch 100 fused: no step in 7 sessions; one of 0.0 % would have been found nine times in ten"
    ]


def test_values_without_a_logarithm_are_not_searched(sessions):
    table = found(sessions(*[1000] * 6, stolen_share=0.0, **JAX), "stolen_share")
    assert list(sentences(table)) == [
        "jax mlp batch 100 fused: 6 sessions; no step is looked for where values of 0 have no logarithm"
    ]


@pytest.mark.parametrize("sessions_of_a_cell", [6, 13, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_false_alarms_are_as_rare_as_is_said(sessions_of_a_cell, alpha):
    made = np.random.default_rng(1).normal(7, 0.02, (4000, sessions_of_a_cell))
    share = np.mean([len(steps(line, alpha)) > 0 for line in made])
    assert alpha - 4 * (alpha / 4000) ** 0.5 < share < 1.1 * alpha + 4 * (alpha / 4000) ** 0.5


@pytest.mark.parametrize("count", [6, 20])
def test_the_smallest_step_that_is_named_is_found_nine_times_in_ten(count):
    made = np.random.default_rng(2).normal(0, 0.02, (1000, count))
    made[:, count // 2 :] -= searched._findable(count, 0.02, 0.05)
    assert 0.88 < np.mean([len(steps(line)) > 0 for line in made]) < 0.98


def test_a_table_of_many_cells_asks_more_of_a_step(sessions):
    """So that of tables, not of cells, one in twenty has a step where there is none."""
    assert _penalty(20, 0.0025) > _penalty(20, 0.05) + 5
    speeds = 1000 * noise(10, seed=5)
    alone = found(sessions(*speeds, name="alone", **JAX))["smallest"].iloc[0]
    for number in range(20):
        folder = sessions(*speeds, name="many", batch_size=8 + number, **JAX)
    assert found(folder)["smallest"].iloc[0] > 1.2 * alone


def test_only_the_newest_sessions_are_searched_where_there_are_very_many(monkeypatch, sessions):
    monkeypatch.setattr(searched, "MOST_SESSIONS", 8)
    table = found(sessions(*[1000] * 4, *[500] * 8, **JAX))
    assert table["level"].notna().tolist() == [False] * 4 + [True] * 8
    assert table["step"].isna().all()
    assert "no step in the newest 8 of 12 sessions" in next(sentences(table))


DRIFT = np.array([0.0] * 6 + [-0.06] * 6)  # of the machine, in logarithms


def test_a_step_of_the_machine_that_its_canary_tells_is_none(sessions):
    speeds = 1000 * noise(12) * np.exp(DRIFT)
    assert found(sessions(*speeds, name="untold", **JAX))["step"].notna().iloc[6]
    canaries = 0.0015 * np.exp(-DRIFT) * noise(12, 0.002, seed=1)
    table = found(sessions(*speeds, name="told", canaries=canaries, **JAX))
    assert table["step"].isna().all()
    assert table["steadied"].all()
    assert table["level"].nunique() == 1
    assert table["level"].iloc[0] == pytest.approx(1000 * np.exp(DRIFT.mean()), rel=0.01)
    assert next(sentences(table)).endswith("would have been found nine times in ten, the machine's own drift taken out")


def test_a_step_beside_the_machine_s_own_is_found_with_its_size(sessions):
    speeds = 1000 * noise(12) * np.exp(DRIFT) * np.where(np.arange(12) < 4, 1, 0.95)
    table = found(sessions(*speeds, canaries=0.0015 * np.exp(-DRIFT) * noise(12, 0.002, seed=1), **JAX))
    [line] = table[table["step"].notna()].to_dict("records")
    assert line["day"] == "2026-01-05"
    assert line["step"] == pytest.approx(0.95, abs=0.01)
    assert next(sentences(table)).endswith("would have been found, the machine's own drift taken out")


def test_a_step_of_the_canary_alone_is_none(sessions):
    table = found(sessions(*(1000 * noise(12)), canaries=0.0015 * np.exp(DRIFT), **JAX))
    assert table["step"].isna().all()
    assert not table["steadied"].any()


def test_a_time_grows_where_the_machine_is_slower(sessions):
    for number, latency in enumerate(0.5 * noise(12) * np.exp(-DRIFT), 1):
        speeds = [None] * (number - 1) + [1000]
        canaries = 0.0015 * np.exp(-DRIFT) * noise(12, 0.002, seed=1)
        folder = sessions(*speeds, canaries=canaries, first_step_s=latency, **JAX)
    table = found(folder, "first_step_s")
    assert table["step"].isna().all()
    assert table["steadied"].all()


def test_what_does_not_go_with_the_machine_s_pace_is_searched_as_it_is(sessions):
    folder = sessions(*[1000] * 12, canaries=0.0015 * np.exp(DRIFT), peak_rss_bytes=10**8, **JAX)
    assert not found(folder, "peak_rss_bytes")["steadied"].any()


KEPT = ROOT / "results" / "sessions"  # of the same code, one after another


@pytest.fixture(scope="module")
def measured():
    return load(KEPT, [*searched.COLUMNS, "train_samples_per_s"]), records(KEPT)


def test_measured_sessions_of_the_same_code_have_no_step(measured):
    table = history(measured[0], records=measured[1])
    assert table["sessions"].tolist() == [22] * 22
    assert table["step"].isna().all()
    assert 0.005 < table["smallest"].iloc[0] < 0.02


@pytest.mark.parametrize("place", range(2, 21))
def test_a_step_of_4_percent_planted_into_measured_launches_is_found_at_its_place(measured, place):
    frame, names = measured[0], sorted(measured[0]["session"].unique())
    later = frame["session"].isin(names[place:])
    speeds = frame["train_samples_per_s"].where(~later, 0.96 * frame["train_samples_per_s"])
    table = history(frame.assign(train_samples_per_s=speeds), records=measured[1])
    begun = table[table["step"].notna()]
    nearest = min(begun["session"], key=lambda name: abs(names.index(name) - place))
    assert abs(names.index(nearest) - place) <= 1  # a session as fast as a whole step is slow may move it by one
    assert 0.93 < begun.set_index("session")["step"][nearest] < 0.975


def typed(*arguments):
    done = CliRunner().invoke(cli.app, ["history", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_the_command_shows_sessions_and_steps(sessions, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    folder = sessions(*[1000] * 4, *[960] * 4, **JAX)
    text = typed("--results", folder, "--format", "table", "--out", folder / "a.txt", "--framework", "jax")
    assert text.exit_code == 0
    lines = [line for line in (folder / "a.txt").read_text().splitlines() if line]
    assert lines[-1].startswith("jax mlp batch 100 fused: since 2026-01-05 (2.13.0): -4.0 % [")
    assert sum("1,000 ± 3 %" in line for line in lines) == 4
    assert sum("960 ± 3 %" in line for line in lines) == 4


def test_what_was_found_stands_in_markdown_too_and_on_a_screen(sessions, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli, "out", Console(emoji=False))
    folder = sessions(*[1000] * 4, *[960] * 4, **JAX)
    words = "jax mlp batch 100 fused: since 2026-01-05 (2.13.0): -4.0 %"
    text = typed("--results", folder, "--format", "markdown").stdout
    assert f"### Steps\n\n| found |\n| --- |\n| {words}" in text
    lines = typed("--results", folder).stdout.splitlines()
    assert lines[-1].startswith(words)
    assert sum("2026-01-0" in line for line in lines) == 8 + 1
    assert sum("-4.0 % [" in line for line in lines) == 2


def test_the_command_s_csv_has_a_line_per_session_with_all_figures(sessions):
    folder = sessions(*[1000] * 4, *[960] * 4, **JAX)
    assert typed("--results", folder, "--format", "csv", "--out", folder / "a.csv").exit_code == 0
    table = pd.read_csv(folder / "a.csv")
    assert len(table) == 8
    assert table["step"].notna().tolist() == [False] * 4 + [True] + [False] * 3


def test_the_command_filters_and_knows_other_metrics(sessions):
    folder = sessions(1000, 1000, first_step_s=0.5, **JAX)
    done = typed("--results", folder, "--metric", "first_step_s", "--format", "json")
    assert [line["sessions"] for line in json.loads(done.stdout)] == [2, 2]
    for wrong, words in (("--framework=torch", "no rows of framework torch"), ("--metric=none", "no numeric column")):
        with pytest.raises(UsageError, match=words):
            raise CliRunner().invoke(cli.app, ["history", "--results", str(folder), wrong]).exception
