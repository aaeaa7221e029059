"""What `report compare` shows of a set: five columns in 80, more in more, filters, details; and of sets apart."""

from __future__ import annotations

import json
import re

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.plan import suspects
from benchmarks.plan.cells import Cell
from report import cli
from tests.unit.report.known import LATER, SLOWER, STEADY

FIVE = ["framework", "mode", "samples/s", "against the best", "accuracy"]
LONG = {"framework": "tensorflow", "mode": "compiled", "batch_size": 1000}


@pytest.fixture
def shown(monkeypatch):
    """Run compare on a terminal of a width; return its exit code and lines."""

    def run(*arguments, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(cli, "out", Console(emoji=False))
        done = CliRunner().invoke(cli.app, ["compare", *map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.stdout.splitlines()

    return run


@pytest.fixture
def folder(write_set, launches, make):
    wild = [1e5 * speed for speed in (1.0, 1.5, 0.6, 1.2, 0.7, 1.4)]
    rows = [
        *launches(*(1000 * speed for speed in STEADY), **LONG),
        *launches(*wild, **LONG | {"framework": "paddle"}),
        *launches(*(1100 * speed for speed in STEADY), **LONG | {"mode": "fused"}),
        *launches(*(100 * speed for speed in STEADY), **LONG | {"framework": "torch", "mode": "eager"}),
        *(make(task="accuracy", seed=n, accuracy=0.97, epochs=1, **LONG | {"mode": "fused"}) for n in range(3)),
        *launches(*STEADY, model="lenet", recipe="lenet"),
    ]
    return write_set("set", *rows)


def headings(lines):
    return [re.split(r"  +", line) for line in lines if line.startswith("framework")]


def test_eighty_columns_hold_five_of_them_whole(shown, folder):
    lines = shown(folder)
    assert max(map(len, lines)) <= 80
    best, same, lenet = headings(lines)
    assert (best[:5], same[:4], lenet[:3]) == (FIVE, FIVE[:4], FIVE[:3])
    assert "…" not in "".join(lines)
    text = "\n".join(lines)
    assert re.search(r"tensorflow +fused +1,100,\d+ ± 0\.7 % +1 +0\.9700", text)
    assert re.search(r"paddle +compiled +\d+,\d+ ± \d+ % +0\.\d+ (slower|not distinguished)", text)
    assert [line for line in lines if line.startswith(("mlp, batch 1,000: ", "lenet, batch 100: "))]
    assert "--wide shows more columns" in text


def test_a_wider_terminal_and_wide_show_more(shown, folder):
    wide = headings(shown(folder, width=140))[0]
    assert wide[:5] == FIVE
    assert "95 % interval of the ratio" in wide
    assert len(headings(shown(folder, "--wide"))[0]) >= len(wide)


def test_all_that_have_the_same_mode_stand_in_a_second_table(shown, folder):
    text = "\n".join(shown(folder, width=200))
    assert "; each in its best mode\n" in text
    _, same = text.split("; all in the same mode: compiled")
    same = same.split("lenet, batch")[0]
    assert "torch" not in same
    assert re.search(r"tensorflow +compiled +1,000,\d+ ± 0\.7 % +1\b", same)


def test_networks_stand_in_their_order(shown, folder):
    titles = [line.split(",")[0] for line in shown(folder, width=200) if "2 threads" in line]
    assert list(dict.fromkeys(titles)) == ["mlp", "lenet"]


def test_details_come_where_they_are_asked_for(shown, folder):
    assert "noisy launches" not in "".join(shown(folder, width=200))
    text = "\n".join(shown(folder, "--details", width=200))
    for title in (": all modes", ": accuracy", ": with and without noisy launches", ": what is not in the speed"):
        assert title in text


def test_filters_leave_what_was_asked_for(shown, folder):
    text = "\n".join(shown(folder, "--framework", "torch,paddle", "--mode", "compiled"))
    assert "paddle" in text
    assert "tensorflow" not in text
    assert "eager" not in text
    assert "lenet" not in "\n".join(shown(folder, "--model", "mlp"))
    assert "mlp" not in "\n".join(shown(folder, "--batch-size", "100"))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--model", "lennet"), "no rows of model lennet; there are: lenet, mlp"),
        (("--batch-size", "7"), "no rows of batch size 7; there are: 100, 1000"),
        (
            ("--framework", "torch", "--model", "mlp", "--mode", "fused"),
            "no rows have all of framework torch, model mlp",
        ),
    ],
)
def test_a_filter_that_leaves_nothing_is_refused(folder, option, words):
    error = CliRunner().invoke(cli.app, ["compare", str(folder), *option]).exception
    assert words in str(error)
    assert error.exit_code == 2


def test_sets_without_a_common_cell_are_refused_in_one_sentence(write_set, launches):
    base = write_set("base", *launches(*STEADY, dataset="mnist-5k"), *launches(1, dataset="mnist-5k", framework="jax"))
    new = write_set("new", *launches(*STEADY, dataset="mnist", **LATER))
    error = CliRunner().invoke(cli.app, ["compare", str(base), str(new)]).exception
    assert str(error) == "no common configurations: mnist-5k in BASE, mnist in NEW"
    assert error.exit_code == 2
    mixed = write_set("mixed", *launches(1, batch_size=8, **LATER), *launches(1, framework="jax", **LATER))
    other = write_set("other", *launches(1), *launches(1, batch_size=8, framework="jax"))
    error = CliRunner().invoke(cli.app, ["compare", str(other), str(mixed)]).exception
    assert str(error) == "no common configurations: 2 in BASE and 2 in NEW, of which no two have all axes alike"


def test_what_has_no_room_beside_two_sets_stands_beneath(write_set, launches, shown):
    failed = launches(1, status="crashed", reason="a reason of many words", framework="jax", **LATER)
    base = write_set("base", *launches(*STEADY), *launches(*STEADY, framework="jax"))
    new = write_set("new", *launches(*STEADY, framework_version="9.9", **LATER), *failed)
    text = "\n".join(shown(base, new))
    assert "torch, eager: changed: version: 2.13.0 -> 9.9" in text
    assert "jax, eager: not ok: NEW 1 of 1 crashed (a reason of many words)" in text
    assert max(map(len, text.splitlines())) <= 80


def gated(*arguments):
    """Run compare with a gate; return its exit code, or its error's, and what it says beside the table."""
    done = CliRunner().invoke(cli.app, ["compare", *map(str, arguments), "--fail-on", "slower:3%"])
    return getattr(done.exception, "exit_code", done.exit_code), f"{done.stderr}{done.exception or ''}"


def test_suspects_are_both_sides_of_what_is_slower_as_run_names_them(write_set, launches, tmp_path):
    path = tmp_path / "suspects.json"
    rows = [
        *launches(*STEADY, revision="abc1234"),
        *launches(*SLOWER),
        *launches(*STEADY, framework="jax", revision="abc1234"),
        *launches(*STEADY, framework="jax"),
    ]
    code, said = gated(write_set("one", *rows), "--by", "revision", "--suspects", path)
    assert code == 1
    assert "slower: torch mlp" in said
    assert f"measure these again: the same `run`, with --confirm {path} and another --results" in said
    found = json.loads(path.read_text())
    assert [(one["framework"], one["revision"]) for one in found] == [("torch", "abc1234"), ("torch", "")]
    plan = [Cell.from_row({"revision": None, **row}) for row in rows]
    assert suspects.suspected(path, plan) == [plan[0], plan[6]]


def test_suspects_among_releases_are_the_slower_one_and_the_oldest(write_set, launches, tmp_path):
    path = tmp_path / "suspects.json"
    arms = (("torch@2.12", STEADY, "2.12.0"), ("torch@2.13", SLOWER, "2.13.0"), ("torch", STEADY, "2.14.0"))
    rows = [row for arm, speeds, version in arms for row in launches(*speeds, framework=arm, framework_version=version)]
    assert gated(write_set("one", *rows), "--by", "version", "--suspects", path)[0] == 1
    assert [one["framework"] for one in json.loads(path.read_text())] == ["torch@2.12", "torch@2.13"]


def test_a_set_without_suspects_and_one_that_cannot_be_judged_leave_none_of_another_time(write_set, launches, tmp_path):
    path = tmp_path / "suspects.json"
    for name, speeds, expected in (("fine", STEADY, 0), ("few", STEADY[:2], 2)):
        path.write_text("of another time")
        rows = [*launches(*speeds, revision="abc1234"), *launches(*speeds)]
        code, said = gated(write_set(name, *rows), "--by", "revision", "--suspects", path)
        assert (code, json.loads(path.read_text())) == (expected, [])
        assert "measure these again" not in said


def test_suspects_are_of_a_gate_on_one_sweep(folder, tmp_path):
    for line in (
        [folder, folder, "--fail-on", "slower"],  # of different times: no sweep measures them together
        [folder, "--by", "version"],
    ):
        error = CliRunner().invoke(cli.app, ["compare", *map(str, line), "--suspects", "x.json"]).exception
        assert "--suspects needs --fail-on, and --by revision or version" in str(error)
        assert error.exit_code == 2
