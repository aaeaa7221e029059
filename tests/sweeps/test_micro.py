"""The micro-benchmarks as a user starts them, beside sweeps of the same cells."""

from __future__ import annotations

import json
import subprocess

import pytest

from adapters.flops import model_flops
from adapters.recipes import MODELS
from benchmarks.cli.micro import CALL_KINDS, FILE, Micro
from benchmarks.launch.process import on_cpus
from benchmarks.machine import environments
from benchmarks.machine.hardware import physical_cpus
from report import micro
from tests.sweeps.conftest import ONE_THREAD
from tests.sweeps.known_times import SAMPLE_S

AGREE = 1.5  # what two quiet measurements of one step may differ by on a shared machine, the README's 20 % and room


def agree(one, other):
    """Return whether two intervals (low, high) overlap when each is stretched by AGREE's root at both ends."""
    return one[0] <= AGREE * other[1] and other[0] <= AGREE * one[1]


def run(line, variables):
    """Run a command in a framework's environment with these variables."""
    return subprocess.run(line, env=variables, cwd=environments.ROOT, capture_output=True, text=True, check=False)


def micro_interval(frame):
    """Return the microseconds of one benchmark that half of its rounds lie within, stretched to hold their mean.

    A sweep's chunk is a mean, and on a busy machine the mean of the rounds lies above most of them.
    """
    [line] = frame.to_dict("records")
    return min(line["q1_us"], line["mean_us"]), max(line["q3_us"], line["mean_us"])


def sweep_interval(rows):
    """Return the microseconds a step takes in the quickest and in the slowest chunk of some launches."""
    steps = [1e6 * chunk_s / row["chunk_steps"] for row in rows for chunk_s in row["train_chunk_s"]]
    return min(steps), max(steps)


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_step_takes_as_long_as_in_a_sweep(sweep, command, tmp_path, framework):
    """A launch before and one after, so that what drifts on the machine between them widens the sweep's interval."""
    cell = ("--framework", framework, "--model", "mlp", "--batch-size", "100")
    sweep(*cell, "--rounds", "1", "--epochs", "0")
    done = command("benchmarks", "micro", *cell, *ONE_THREAD, "--kind", "step", "--results", str(tmp_path / "micro"))
    assert done.returncode == 0, done.stderr + done.stdout
    _, rows = sweep(*cell, "--rounds", "1", "--epochs", "0")
    assert len(rows) == 2
    found, expected = micro_interval(micro.load(tmp_path / "micro")), sweep_interval(rows)
    print(f"{framework}: micro {found}, sweep {expected} microseconds")
    assert agree(found, expected)


def test_what_the_comparison_above_can_tell():
    step = (900.0, 1300.0)
    assert agree(step, (1000.0, 1100.0))
    assert agree(step, (1900.0, 2500.0))
    for wrong in (1e-3, 0.3, 3, 1e3):  # a unit; numpy's batch of 10 or 1,000 takes a third, twenty times as long
        assert not agree(step, (wrong * step[0], wrong * step[1])), wrong


def test_a_call_is_timed_once_until_it_is_done_and_on_its_batch_alone(tmp_path):
    asked = Micro("numpy", "cpu", 1, CALL_KINDS, {"model": ["mlp"], "batch-size": [100]}, 0.1, tmp_path)
    python = str(environments.interpreter("numpy", "cpu"))
    line = [python, "-m", "pytest", "-p", "tests.sweeps.known_times", *asked.options()]
    with on_cpus(physical_cpus()[:1]):
        done = run(line, environments.variables(1))
    assert done.returncode == 0, done.stdout + done.stderr
    frame = micro.load(tmp_path).set_index("kind")
    assert set(frame.index) == set(CALL_KINDS)
    for kind in CALL_KINDS:  # a sleep is never shorter than asked, and a quarter of thirty are not much longer
        known_us = 1e6 * SAMPLE_S * frame.loc[kind, "batch_size"]
        assert known_us <= frame.loc[kind, "q1_us"] < AGREE * known_us + 1000, kind


def test_results_are_read_by_the_report_and_by_pytest_benchmark(command, tmp_path):
    axes = ("--framework", "numpy", "--model", "mlp", "--batch-size", "1,10", "--mode", "recommended,eager,compiled")
    for _ in range(2):
        done = command("benchmarks", "micro", *axes, "--threads", "1", "--max-time", "0.02", "--results", str(tmp_path))
        assert done.returncode == 0, done.stderr
    assert "NumPy has no compiler" in done.stdout  # skipped, with the adapter's reason
    frame = micro.load(tmp_path)
    assert len(frame) == 2 * (3 * 2 + 1)
    assert set(frame["mode"]) == {"eager"}
    assert set(zip(frame["kind"], frame["model"], frame["batch_size"], strict=True)) == {
        ("dispatch", "linear", 1), *((kind, "mlp", size) for kind in CALL_KINDS[:3] for size in (1, 10)),
    }  # fmt: skip
    forward, training = model_flops(MODELS["mlp"])
    flops = frame[frame["batch_size"] == 10].groupby("kind")["flops"].unique().map(list).to_dict()
    assert flops == {"step": [10 * training], "evaluate": [10 * forward], "put": [0]}
    done = command("report", "micro", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "dispatch, float32, cpu" in done.stdout
    tool = environments.interpreter("numpy", "cpu").with_name("pytest-benchmark")
    line = [str(tool), "--storage", str(tmp_path), "compare", "--columns=median,iqr"]
    compared = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    for number in ("0001", "0002"):
        assert f"test_step[numpy-mlp-10-eager-float32] ({number}_numpy-c)" in compared
    for path in tmp_path.rglob("*.json"):
        assert "node" not in json.loads(path.read_text())["machine_info"]  # the host's name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--framework", "torhc"), "did you mean torch?"),
        (("--model", "lenet6"), "did you mean lenet"),
        (("--kind", "stop"), "did you mean step?"),
        (("--batch-size", "0"), "whole numbers from 1"),
        (("--threads", "4096"), "--threads 4096: "),
        (("--mode", "fast"), "unknown mode"),
        (("--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(refused, tmp_path, arguments, words):
    refused(words, "benchmarks", "micro", "--results", str(tmp_path), *arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_stops_it_at_once(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("benchmarks", "micro", "--framework", "numpy", "--results", str(tmp_path / "file"))
    assert done.returncode == 74
    assert "cannot make the results folder" in done.stderr


def test_other_threads_than_a_worker_s_are_refused():
    python = str(environments.interpreter("numpy", "cpu"))
    variables = environments.variables(1) | {"OPENBLAS_NUM_THREADS": "7"}
    line = [python, "-m", "pytest", FILE, "--framework=numpy", "--threads=1", "-p", "no:cacheprovider"]
    done = run(line, variables)
    assert done.returncode != 0
    assert "OPENBLAS_NUM_THREADS is not 1" in done.stdout + done.stderr


def test_an_arm_is_timed_as_its_framework_is_and_keeps_its_name(tmp_path):
    asked = Micro("numpy@1.26.4", "cpu", 1, ["dispatch"], {"model": ["linear"]}, 0.02, tmp_path)
    python = str(environments.interpreter("numpy", "cpu"))
    with on_cpus(physical_cpus()[:1]):
        done = run([python, "-m", "pytest", *asked.options()], environments.variables(1))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(micro.load(tmp_path)["framework"]) == ["numpy@1.26.4"]
