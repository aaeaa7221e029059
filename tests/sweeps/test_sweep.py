from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from adapters.registry import default_frameworks
from benchmarks.machine.environments import ROOT
from benchmarks.machine.hardware import cards
from tests.kept import read_file
from tests.sweeps.conftest import ONE_THREAD


def test_six_frameworks_learn_the_same(six):
    done, rows, _ = six
    assert done.returncode == 0, done.stderr
    assert {row["framework"] for row in rows} == set(default_frameworks())
    assert all(row["status"] == "ok" for row in rows)
    speeds, learnt = ([row for row in rows if row["task"] == task] for task in ("speed", "accuracy"))
    assert len(speeds) == len(learnt) == len(default_frameworks())
    accuracies = [row["accuracy"] for row in learnt]
    assert min(accuracies) > 0.85
    assert max(accuracies) - min(accuracies) < 0.015
    for row in rows:
        assert row["peak_rss_bytes"] < 2.5e9
    for row in learnt:
        assert row["epochs"] == len(row["accuracy_by_epoch"]) == 3
        assert abs(row["train_accuracy"] - row["accuracy"]) < 0.1
        assert row["train_samples_per_s"] is None
    for row in speeds:
        assert row["accuracy"] is None
        assert row["flops_per_s"] == pytest.approx(row["train_samples_per_s"] * 454_400)
        assert min(row["train_chunk_s"]) > 0
        assert row["first_step_s"] > 0
    for name in default_frameworks():
        assert name in done.stdout


def test_later_rounds_repeat_the_first_one_s_plan_also_across_a_resume(sweep, one_launch, tmp_path):
    arguments, first, folder = one_launch
    shutil.copytree(folder, tmp_path / "results")
    done, rows = sweep(*arguments, "--rounds", "3", "--resume")
    assert done.returncode == 0, done.stderr
    assert [row["round"] for row in rows] == [0, 1, 2]
    for name in ("chunk_steps", "warm_up_chunks", "eval_passes"):
        assert {row[name] for row in rows} == {first[name]}


def test_accuracy_launches_alone_and_one_seed_each(sweep):
    arguments = ("--framework", "numpy", "--model", "mlp", "--rounds", "0", "--epochs", "1")
    done, rows = sweep(*arguments, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert [(row["task"], row["seed"]) for row in rows] == [("accuracy", 0), ("accuracy", 1)]
    assert rows[0]["accuracy"] != rows[1]["accuracy"]
    _, more = sweep(*arguments, "--seeds", "3", "--resume")
    assert [row["seed"] for row in more] == [0, 1, 2]


def test_what_cannot_run_is_a_row_with_its_reason(sweep):
    done, rows = sweep(
        *("--framework", "numpy", "--model", "mlp", "--mode", "eager,compiled", "--rounds", "1", "--epochs", "0"),
        XLA_FLAGS="--secret=1",
    )
    assert done.returncode == 1
    assert re.search("workers do not see .*XLA_FLAGS", done.stderr)
    assert {row["mode"]: row["status"] for row in rows} == {"eager": "ok", "compiled": "unsupported"}
    assert "no compiler" in next(row["reason"] for row in rows if row["status"] == "unsupported")


def test_both_inputs_are_proven_and_timed_each_in_a_table_of_its_own(sweep):
    axes = ("--framework", "numpy,torch", "--model", "mlp", "--input", "preloaded,host")
    done, rows = sweep(*axes, "--rounds", "1", "--epochs", "1", "--fresh-proof")
    assert done.returncode == 0, done.stderr
    assert len(rows) == 8
    assert {(row["status"], row["lockstep"]) for row in rows} == {("ok", "pass")}
    assert len({row["cell"] for row in rows}) == 8
    learnt = {(row["framework"], row["input"]): row["accuracy"] for row in rows if row["task"] == "accuracy"}
    assert learnt["numpy", "host"] == learnt["numpy", "preloaded"]
    assert learnt["torch", "host"] == learnt["torch", "preloaded"]
    for words in (" 1 thread, preloaded data", " 1 thread, data fed from host memory"):
        assert words in done.stdout


@pytest.mark.fault(27)
def test_resume_skips_what_is_there_and_nothing_else(sweep, one_launch, tmp_path):
    arguments, before, folder = one_launch
    arguments = (*arguments, "--rounds", "1")
    shutil.copytree(folder, tmp_path / "results")
    done, after = sweep(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert [row["started_at"] for row in after] == [before["started_at"]]
    _, again = sweep(*arguments, "--batch-size", "100,200", "--resume")
    assert sorted(row["batch_size"] for row in again) == [100, 200]
    _, other_seed = sweep(*arguments, "--seed", "1", "--resume")
    assert len(other_seed) == 3


def test_a_batch_larger_than_the_data_set(sweep):
    done, rows = sweep(
        "--framework", "numpy", "--model", "linear", "--batch-size", "5000", "--rounds", "1", "--epochs", "1"
    )
    assert done.returncode == 0, done.stderr
    assert {row["task"]: row["status"] for row in rows} == {"speed": "ok", "accuracy": "ok"}


def test_a_launch_that_takes_too_long_is_a_row_and_the_sweep_goes_on(sweep):
    done, rows = sweep(
        "--framework", "numpy", "--model", "lenet,mlp", "--rounds", "1", "--epochs", "0", "--timeout", "1"
    )
    assert done.returncode == 1
    assert {row["status"] for row in rows} == {"timeout"}
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--framework", "torhc"), "did you mean torch?"),
        (("--model", "lenet6"), "did you mean lenet"),
        (("--batch-size", "0"), "whole numbers from 1"),
        (("--threads", "4096"), "--threads 4096: "),
        (("--mode", "fast"), "unknown mode"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--environment", "numpy-gpu"), "numpy computes on the CPU alone here: tox -e numpy-cpu, or --device cpu"),
        (("--dataset", "/absent"), "no data set"),
        (("--model", "mlp", "--recipe", "mlp"), "give one of them"),
        (("--rounds", "0", "--epochs", "0"), "nothing to do"),
        (("--dataset", "mnist", "--data-dir", "."), "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(refused, tmp_path, arguments, words):
    refused(words, "benchmarks", "run", "--results", str(tmp_path), *arguments)
    assert not list(tmp_path.iterdir())


def test_without_a_gpu_one_line_says_so(refused, tmp_path):
    if cards():
        pytest.skip("this machine has a GPU")
    refused("no GPU here; use --device cpu", "benchmarks", "run", "--device", "gpu", "--results", str(tmp_path))


@pytest.mark.fault(11)
def test_results_that_cannot_be_written_stop_the_sweep_at_once(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("benchmarks", "run", "--framework", "numpy", "--results", str(tmp_path / "file"))
    assert done.returncode == 74
    assert "cannot make the results folder" in done.stderr


@pytest.mark.fault(26)
def test_interrupted_rows_are_kept_and_no_process_is_left(command, tmp_path):
    line = [sys.executable, "-m", "benchmarks", "run", "--framework", "numpy", "--model", "mlp", "--rounds", "50"]
    line += [*ONE_THREAD, "--results", str(tmp_path)]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    children, lines = [], 0
    while not (children and lines > 1):
        time.sleep(0.2)
        children = psutil.Process(process.pid).children(recursive=True) or children
        lines = sum(file.read_text().count("\n") for file in tmp_path.glob("*.jsonl"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in said
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    rows = command("report", "rows", "--format", "jsonl", "--results", str(tmp_path)).stdout.splitlines()
    assert rows


MAIN_AND_ITS_SIZE = """
import atexit, pathlib, re
from benchmarks.__main__ import main
atexit.register(lambda: print(re.search(r"VmHWM:.*", pathlib.Path("/proc/self/status").read_text())[0]))
main()
"""


def test_the_parent_stays_small(tmp_path):
    line = [sys.executable, "-c", MAIN_AND_ITS_SIZE, "run", "--framework", "numpy", "--model", "mlp"]
    line += [*ONE_THREAD, "--rounds", "1", "--seeds", "1", "--epochs", "1", "--results", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    [file] = tmp_path.glob("*.jsonl")
    assert [row["task"] for row in read_file(file).rows] == ["speed", "accuracy"], done.stderr
    name, largest, unit = done.stdout.splitlines()[-1].split()
    assert (name, unit) == ("VmHWM:", "kB")  # the kernel's own record: nothing between two looks is missed
    assert 30e3 < int(largest) < 300e3


@pytest.mark.mnist
def test_three_epochs_of_mnist_in_all_six(sweep, mnist_folder):
    options = ("--dataset", "mnist", "--data-dir", str(mnist_folder), "--rounds", "0", "--seeds", "1")
    done, rows = sweep(*options, "--model", "mlp", "--epochs", "3")
    assert done.returncode == 0, done.stderr
    assert {row["framework"]: row["task"] for row in rows} == dict.fromkeys(default_frameworks(), "accuracy")
    assert min(row["accuracy"] for row in rows) > 0.95


@pytest.mark.mnist
def test_the_time_to_accuracy_lies_within_the_launch_and_on_its_clock(sweep, command, tmp_path, mnist_folder):
    options = ("--dataset", "mnist", "--data-dir", str(mnist_folder), "--rounds", "0", "--seeds", "1")
    done, [row] = sweep(*options, "--framework", "numpy", "--model", "mlp")
    assert done.returncode == 0, done.stderr
    clock = row["seconds_by_epoch"]
    assert len(clock) == row["epochs"] == 10
    assert all(earlier < later for earlier, later in zip([0, *clock], clock, strict=False))
    assert row["placing_s"] + clock[-1] < row["duration_s"]
    reached = [accuracy >= 0.97 for accuracy in row["accuracy_by_epoch"]].index(True)
    assert 1 <= reached <= 8
    assert (row["accuracy_target"], row["time_to_accuracy_s"]) == (0.97, clock[reached])
    assert f"{row['time_to_accuracy_s']:.2f} (1/1)" in done.stdout
    table = command("report", "compare", "--results", str(tmp_path / "results")).stdout
    assert f"{row['time_to_accuracy_s']:.2f} (1/1)" in table
    assert "provisional" not in table
