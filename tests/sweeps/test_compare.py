"""Two sets of results as a user compares them, and the real tools that read what is exported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.machine.environments import ROOT
from benchmarks.record.store import append
from tests.kept import read_file

LENET = ROOT / "results" / "reference" / "2026-11-24-2-lenet.jsonl"
STEADY = (1000.0, 1010.0, 990.0, 1005.0, 995.0, 1002.0)


@pytest.fixture
def make_set(tmp_path):
    """Write six lenet speed rows each of torch and paddle, made of a sweep's first ones, as a set of a sweep."""

    def write(name, sweep, scale=1.0, **paddle):
        folder = tmp_path / name
        folder.mkdir()
        append(folder / f"{sweep}.jsonl", "run", {**read_file(LENET).run, "sweep": sweep})
        for row in read_file(LENET).rows:
            if row["framework"] in ("torch", "paddle") and row["task"] == "speed" and not row["round"]:
                changed = {**row, "sweep": sweep, **(paddle if row["framework"] == "paddle" else {})}
                for number, speed in enumerate(STEADY):
                    timed = {"round": number, "train_samples_per_s": scale * speed}
                    append(folder / f"{sweep}.jsonl", "row", {**changed, **timed})
        return str(folder)

    return write


@pytest.fixture
def compared(command):
    """Run `python -m report compare`; return exit code, output, lines of stderr."""

    def run(*arguments):
        done = command("report", "compare", *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr.splitlines()

    return run


def test_one_thread_against_two_is_refused_then_labelled(make_set, compared):
    sets = make_set("base", "20260101T000000-aaaaaa", threads=1), make_set("new", "20260201T000000-bbbbbb")
    code, shown, [line] = compared(*sets)
    assert (code, shown) == (2, "")
    assert line == ("paddle lenet: 1 thread in BASE, 2 in NEW; to compare them all the same pass --across threads")
    code, shown, _ = compared(*sets, "--across", "threads")
    assert code == 0
    assert "threads: 1 -> 2" in shown
    assert shown.count("different times") == 2


def test_a_gate_ends_with_1_and_names_the_cells(make_set, compared):
    base = make_set("base", "20260101T000000-aaaaaa")
    slow = make_set("slow", "20260201T000000-bbbbbb", scale=0.9)
    code, _, lines = compared(base, slow, "--fail-on", "slower:5%")
    assert code == 1
    assert [line.split(",")[0] for line in lines] == ["slower: paddle lenet", "slower: torch lenet"]
    assert compared(base, slow, "--fail-on", "slower:20%")[0] == 0
    assert compared(base, base, "--fail-on", "slower")[0] == 0
    broken = make_set("broken", "20260301T000000-cccccc", status="crashed", reason="SIGSEGV")
    code, _, [line] = compared(base, broken, "--fail-on", "slower")
    assert code == 1
    assert line.startswith("no longer valid (speed): paddle lenet")
    assert "SIGSEGV" in line


def test_a_gate_that_could_judge_nothing_does_not_pass(make_set, compared):
    base, new = make_set("base", "20260101T000000-aaaaaa"), make_set("new", "20260201T000000-bbbbbb", dtype="float64")
    for rule in ("accuracy", "slower"):
        code, _, lines = compared(base, new, "--fail-on", rule)
        assert code == (2 if rule == "accuracy" else 0)
    assert lines == []


def test_a_set_is_a_folder_a_file_or_a_git_revision(compared):
    code, shown, _ = compared("HEAD:results/reference", str(LENET.parent), "--format", "json")
    assert code == 0
    assert {line["times"] for line in json.loads(shown)} == {"same launches"}


def test_every_form_goes_to_the_output_or_a_file(make_set, compared, tmp_path):
    sets = make_set("base", "20260101T000000-aaaaaa"), make_set("new", "20260201T000000-bbbbbb")
    signs = {"table": "───", "markdown": "| --- |", "csv": ",ratio,", "json": '"ratio": 1.0', "latex": "\\toprule"}
    for form, sign in signs.items():
        _, shown, _ = compared(*sets, "--format", form)
        assert sign in shown
        path = tmp_path / "out" / form
        code, shown, lines = compared(*sets, "--format", form, "--out", str(path))
        assert (code, shown, lines[-1]) == (0, "", f"wrote {path}")
        assert all("launches were noisy" in line for line in lines[:-1])  # what no form has room for
        assert sign in path.read_text()
    assert compared(*sets, "--format", "csv", "--out", str(tmp_path))[0] == 74


def test_the_frameworks_of_one_set_by_any_metric(compared):
    code, shown, _ = compared(str(LENET), "--metric", "import_s", "--format", "json", "--base", "torch")
    found = json.loads(shown)
    assert code == 0
    assert {line["ratio"] for line in found if line["framework"] == "torch"} == {1.0}
    [numpy] = [line["ratio"] for line in found if line["framework"] == "numpy"]  # loaded before: no import at all
    assert numpy < 0.001
    code, shown, _ = compared(str(LENET), "--format", "csv")
    assert shown.startswith("model,recipe")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", str(LENET)), "nowhere"),
        ((str(LENET), "--metric", "speed"), "no numeric column"),
        ((str(LENET), str(LENET), "--by", "framework"), "two were given"),
        ((str(LENET), "--by", "sets"), "BASE and NEW"),
        ((str(LENET), "--by", "revision"), "run --against"),
        ((str(LENET), "--fail-on", "slower"), "needs BASE and NEW"),
        ((str(LENET), "--across", "mode"), "--across"),
        ((str(LENET), str(LENET), "--across", "dtype"), "threads, machine, mode"),
        ((str(LENET), str(LENET), "--base", "torch"), "--base"),
        ((str(LENET), str(LENET), "--fail-on", "slow"), "slower, only-in-base, accuracy"),
        ((str(LENET), "--format", "xml"), "table, markdown, csv, json, latex"),
    ],
)
def test_bad_input_is_one_line(compared, arguments, words):
    code, _, lines = compared(*arguments)
    assert code in (2, 74)
    assert len(lines) == 1
    assert words in lines[0]


@pytest.fixture
def exported(command, make_set, tmp_path):
    """Export a base and one that is 10 % slower to files of a format; return their names."""

    def write(form):
        paths = []
        for name, sweep, scale in (("base", "20260101T000000-aaaaaa", 1.0), ("new", "20260201T000000-bbbbbb", 0.9)):
            paths.append(str(tmp_path / f"{name}.json"))
            results = make_set(name, sweep, scale)
            done = command("report", "rows", "--format", form, "--results", results, "--out", paths[-1])
            assert done.returncode == 0, done.stderr
        return paths

    return write


def read_by(*line):
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_pyperf_compares_our_exports(exported):
    shown = read_by(sys.executable, "-m", "pyperf", "compare_to", *exported("pyperf"))
    print(shown)
    assert shown.count("1.11x slower") == 3  # two cells and their geometric mean
    assert "paddle lenet" in shown


def test_pytest_benchmark_compares_our_exports(exported):
    tool = ROOT / ".tox" / "numpy-cpu" / "bin" / "pytest-benchmark"
    shown = read_by(str(tool), "compare", *exported("pytest-benchmark"))
    print(shown)
    assert "4 tests" in shown
    assert "torch lenet" in shown


def test_an_export_goes_to_the_output_unless_told_otherwise(command):
    done = command("report", "rows", "--format", "github-action-benchmark", "--results", str(LENET))
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 6
    assert "customBiggerIsBetter" in done.stderr
    assert command("report", "rows", "--format", "xml", "--results", str(LENET)).returncode == 2
