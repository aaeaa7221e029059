import os
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.cli import terminal
from benchmarks.cli.run import _answering, _say_what_is_withheld
from benchmarks.errors import DataError, UsageError
from benchmarks.launch.probe import Probe
from benchmarks.machine import environments
from benchmarks.plan.data import sources
from benchmarks.plan.data.sources import FILES
from benchmarks.worker.libraries import CHOICE
from tests.unit.plan.data.conftest import csv_bytes, random_digits


def run(*arguments):
    return CliRunner().invoke(app, ["run", *arguments])


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data set is here, and a download is an error."""
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "_fetch", lambda *_: pytest.fail("downloads"))
    return tmp_path


@pytest.mark.parametrize("option", ["--rounds", "--seeds", "--epochs"])
def test_more_than_weeks_of_measuring_is_refused(option):
    done = run(option, "999999999999", "--dry-run")
    assert done.exit_code == 2
    assert "should be less than or equal to 10000" in done.output


@pytest.mark.fault(44)
def test_settings_of_the_shell_that_no_worker_sees_are_said(monkeypatch, capsys):
    for name in [name for name in os.environ if CHOICE.fullmatch(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # --threads decides
    _say_what_is_withheld()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setenv("XLA_FLAGS", "--secret=1")
    _say_what_is_withheld()
    assert "workers do not see ATEN_CPU_CAPABILITY, XLA_FLAGS of this shell" in capsys.readouterr().err
    assert "workers do not see" not in run("--model", "unknown").stderr  # an error is one line
    assert not {"ATEN_CPU_CAPABILITY", "XLA_FLAGS"} & set(environments.variables(1))


def test_a_plan_says_what_a_run_would_download_and_downloads_nothing(nowhere, capsys):
    assert terminal.planned("mnist", None, ["mlp"]) == "mnist"
    said = capsys.readouterr().err
    assert said == f"mnist: a run would download {', '.join(FILES)}\n"
    assert not (nowhere / "cache").exists()


def test_a_folder_of_no_use_is_said(nowhere, capsys):
    assert terminal.prepared("mnist-5k", nowhere / "nope").name == "mnist-5k"
    said = capsys.readouterr().err
    assert said.startswith(f"--data-dir {nowhere / 'nope'} is not used: it is for mnist and fashion-mnist")
    assert said.count("\n") == 1


def test_what_became_of_own_images_is_said_once(nowhere, capsys):
    (nowhere / "own.csv").write_bytes(csv_bytes(*random_digits(100), header=True))
    name = terminal.prepared(str(nowhere / "own.csv"), None).name
    first, *more = capsys.readouterr().err.splitlines()
    assert first.startswith(
        f"{name}: 80 of 100 images to train on, 20 to test on, every fifth of each class; 1x28x28 in"
    )
    assert not more


def test_a_folder_that_is_no_data_set_says_what_one_holds(nowhere):
    np.save(nowhere / "images.npy", np.zeros(3))
    (nowhere / FILES[0]).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        terminal.prepared(str(nowhere), None)
    words = "a folder must hold the four IDX files train-images-idx3-ubyte, train-labels-idx1-ubyte,"
    assert words in str(caught.value)
    assert str(caught.value).endswith(
        "it lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
    )


def test_an_empty_name_is_not_the_folder_one_stands_in():
    with pytest.raises(UsageError, match="an empty dataset was given"):
        terminal.prepared("", None)


@pytest.mark.parametrize("command", ["verify", "predict", "verify --exchange", "train", "demo"])
def test_two_devices_where_one_is_meant_are_one_line(command, tmp_path, monkeypatch):
    """Where nobody can ask the driver every name of a card is taken."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    arguments = {
        "verify": [str(tmp_path)],
        "predict": ["x.png", "--weights", str(tmp_path)],
        "train": ["--save", str(tmp_path / "x")],
    }
    done = CliRunner().invoke(app, [*command.split(), *arguments.get(command, []), "--device", "cpu,gpu"])
    assert isinstance(done.exception, UsageError), done.exception
    assert str(done.exception) == "--device cpu, gpu: one at a time; give one"


def test_a_framework_without_wheels_here_is_one_line_and_the_others_go_on(capsys):
    probes = {("torch", "cpu"): Probe("torch", "cpu"), ("mxnet", "cpu"): Probe("mxnet", "cpu", "no such", missing=True)}
    assert _answering(probes, ["torch", "mxnet"]) == ["torch"]
    assert capsys.readouterr().err == "left out: no such\n"


def test_a_framework_that_works_on_one_device_stays_and_where_none_works_all_have_their_rows(capsys):
    lost = {(name, "cpu"): Probe(name, "cpu", "no such", missing=True) for name in ("torch", "mxnet")}
    card = {("torch", "gpu"): Probe("torch", "gpu")}
    assert _answering({**lost, **card}, ["torch", "mxnet"]) == ["torch"]
    assert _answering(lost, ["torch", "mxnet"]) == ["torch", "mxnet"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--framework numpy,numpy@1.26 --rounds 3", "3 rounds: too few for a verdict, which needs 6; add --rounds 10"),
        ("--framework numpy --against HEAD", "3 rounds: too few for a verdict, which needs 6; add --rounds 10"),
        ("--framework numpy --against HEAD --rounds 1", "1 round: too few"),
        ("--framework numpy,numpy@1.26 --rounds 6", ""),
        ("--framework numpy,numpy@1.26 --preset standard", ""),
        ("--framework numpy,numpy@1.26 --rounds 0", ""),  # accuracies alone
        ("--framework numpy,numpy@1.26 --detect 3%", ""),
        ("--framework numpy,torch --rounds 3", ""),  # a first look at frameworks
    ],
)
def test_too_few_rounds_for_the_gate_are_said_before_anything_is_measured(options, words, monkeypatch):
    monkeypatch.setattr("benchmarks.cli.run.resolved", lambda revision: "0123456789ab")  # which asks git
    said = run(*options.split(), "--model", "unknown").stderr
    assert words in said
    assert bool(words) == ("too few for a verdict" in said)


def test_a_confirmation_is_of_new_launches_and_of_one_machine(tmp_path):
    done = run("--confirm", str(tmp_path / "x.json"), "--resume")
    assert str(done.exception) == "--confirm is about new launches; leave out --resume"
    done = run("--confirm", str(tmp_path / "x.json"), "--engine", "dask", "--scheduler", "tcp://x:1")
    assert str(done.exception) == "--confirm is for one machine: the suspects are one machine's"
