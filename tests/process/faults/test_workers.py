"""What a worker can do to itself: each ends in one row that says so, and the sweep goes on.

All misbehave in two sweeps; the tests look at the rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.process.faults.conftest import ACCURACY, QUICK, ROOT, end_and_name, left
from tests.process.faults.harness import LIES

fault = pytest.mark.fault
MISBEHAVING = [  # class of fake.py, status, words of the reason, faults
    ("killed", "crashed", "ended by SIGKILL", [2, 34]),
    ("nomemory", "oom", "MemoryError: Unable to allocate", [4]),
    ("nodevicememory", "oom", "CUDA out of memory", [4]),
    ("badalloc", "oom", "SIGABRT; nobody caught std::bad_alloc", [4]),
    ("onlysays", "failed", "memory format out of range", []),
    ("segfault", "crashed", "SIGSEGV; Fatal Python error: Segmentation fault < __init__.py", [5]),
    ("illegal", "crashed", "SIGILL; Fatal Python error: Illegal instruction < fake.py", [5]),
    ("daemon", "ok", "", [7]),
    ("flood", "ok", "", [8, 9]),
    ("closesdescriptors", "ok", "", [9]),
    ("lacks", "unsupported", "fake has no trains", []),
    ("othertype", "invalid", "no valid 'framework_version'", [10]),
    ("missing", "skipped", "make it with: tox run --notest -e fake-missing-cpu", [21]),
    ("broken", "skipped", "make it again with: tox run --recreate --notest -e fake-broken-cpu", [21]),
    ("outdated", "skipped", "fake 0.9 in place of 1.0; make it again with: tox run --recreate --notest -e", [21]),
    ("notanumber", "invalid", "float64 losses part", [23]),
    ("infinite", "nan", "loss is not finite after epoch 1", [23]),
    ("nothreads", "failed", "can't start new thread", [36]),
]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Run one sweep; return (exit code, what it said, rows by framework, its TMPDIR); it must leave no process."""

    def run(frameworks, *arguments):
        folder = tmp_path_factory.mktemp("sweep")
        (temporary := folder / "tmp").mkdir()
        own = {"PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(folder / "cache"), "TMPDIR": str(temporary)}
        where = {"cwd": ROOT, "env": {**os.environ, **own}, "capture_output": True, "text": True}
        line = [
            sys.executable,
            "-m",
            "tests.process.faults.harness",
            "run",
            *QUICK,
            "--results",
            str(folder / "results"),
        ]
        done = subprocess.run([*line, "--framework", ",".join(frameworks), *arguments], **where, check=False)
        assert not end_and_name(left(temporary, within_s=0)), "processes were left behind"
        rows = [sys.executable, "-m", "report", "rows", "--format", "jsonl", "--results", str(folder / "results")]
        found = list(map(json.loads, subprocess.run(rows, **where, check=True).stdout.splitlines()))
        by_framework = {row["framework"]: row for row in found}
        assert len(by_framework) == len(found) == len(frameworks), done.stderr
        return done.returncode, done.stdout + done.stderr, by_framework, folder

    return run


@pytest.fixture(scope="module")
def misbehaving(swept):
    return swept(["fake-fake", *(f"fake-{name}" for name, *_ in MISBEHAVING)], *ACCURACY)


@pytest.fixture(scope="module")
def lying(swept):
    return swept([f"liar-{lie}" for lie in LIES] + ["instant-0"])


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [pytest.param(*case, marks=[fault(number) for number in faults], id=case[0]) for *case, faults in MISBEHAVING],
)
def test_each_ends_in_one_row_that_says_how(misbehaving, name, status, words):
    row = misbehaving[2][f"fake-{name}"]
    assert (row["status"], (row["reason"] or "").count(words) > 0) == (status, True), row["reason"]
    assert "\n" not in (row["reason"] or "")
    assert len(row["reason"] or "") <= 1000


def test_the_others_go_on(misbehaving):
    code, said, rows, _ = misbehaving
    assert code == 1, said
    assert "Traceback" not in said
    good = rows["fake-fake"]
    assert good["status"] == "ok"
    for name in ("daemon", "flood", "closesdescriptors"):
        assert rows[f"fake-{name}"]["accuracy"] == good["accuracy"]


@fault(34)
def test_a_launch_that_was_lost_is_not_executed_again(misbehaving):
    """The nearest thing: there is no engine yet that could lose a worker or retry, so a launch is killed mid-cell."""
    starts = (misbehaving[3] / "tmp" / "starts").read_text().split()
    assert starts == ["float64", "float32"]  # its proof, once; its launch, once


@fault(7)
def test_daemons_are_gone_when_the_row_is_written(misbehaving):
    daemons = (misbehaving[3] / "tmp" / "daemons").read_text().split()
    assert len(daemons) >= 4  # two kinds, in a proof and in a launch; that none is left was looked at then
    assert not [process for process in daemons if os.path.exists(f"/proc/{process}")]


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        pytest.param("zero", "'train_samples_per_s': 0.0", marks=fault(23)),
        pytest.param("negative", "'train_samples_per_s': -5.0", marks=fault(23)),
        pytest.param("infinite", "1e999 is not JSON", marks=[fault(23), fault(10)]),
        pytest.param("nan", "NaN is not JSON", marks=[fault(10), fault(23)]),
        pytest.param("huge", "flops_per_s", marks=fault(23)),
        pytest.param("text", "'train_samples_per_s': 'fast'", marks=fault(10)),
        pytest.param("twice", "a key occurs twice", marks=fault(10)),
        pytest.param("status", "no status out of", marks=fault(10)),
        pytest.param("claims", "unknown field 'seed'", marks=fault(10)),
        pytest.param("mistakes", "unknown field 'mistakes'", marks=fault(10)),  # of an accuracy launch alone
        pytest.param("deep", "recursion", marks=fault(10)),
        pytest.param("oversized", "longer than", marks=fault(10)),
        pytest.param("swells", "longer than", marks=fault(10)),
        pytest.param("torn", "cannot be read", marks=fault(10)),
    ],
)
def test_an_answer_that_is_none_is_invalid(lying, lie, words):
    row = lying[2][f"liar-{lie}"]
    assert row["status"] == "invalid"
    assert words in row["reason"]
    assert row["train_samples_per_s"] is None
    assert row["seed"] == 0


@fault(10)
def test_a_misread_image_that_the_data_set_lacks_is_invalid(swept):
    row = swept(["liar-mistakes"], *ACCURACY)[2]["liar-mistakes"]
    assert (row["status"], row["mistakes"]) == ("invalid", None)
    assert "test image 123456" in row["reason"]


@fault(23)
def test_what_is_no_speed_is_in_no_mean(lying):
    code, said, rows, folder = lying
    assert code == 1, said
    assert rows["instant-0"]["status"] == "ok"
    line = [sys.executable, "-m", "report", "compare", "--format", "json", "--results", str(folder / "results")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    cells = json.loads(done.stdout)
    speeds = {cell["framework"]: cell.get("train_samples_per_s") for cell in cells}
    assert speeds.pop("instant-0") == 1000.0
    assert set(speeds) == {f"liar-{lie}" for lie in LIES}
    assert set(speeds.values()) == {None}
