"""A training that is to be kept: progress as it comes, and no half folder however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from benchmarks.models import checkpoint
from tests.process.faults.conftest import ROOT
from tests.process.faults.processes import until


@pytest.fixture
def train(cache, tmp_path):
    """Start `benchmarks train` of a fake, its folder tmp_path / "kept" / "net"."""

    def begin(framework, *arguments):
        line = [
            sys.executable,
            "-m",
            "tests.process.faults.harness",
            "train",
            "--framework",
            framework,
            "--model",
            "linear",
        ]
        line += ["--epochs", "2", "--save", str(tmp_path / "kept" / "net"), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(line, cwd=ROOT, env=cache, **pipes))
        return begun[-1]

    begun = []
    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def nothing_left(tmp_path):
    """Return whether the parent folder is empty: hidden names would be seen, too."""
    return os.listdir(tmp_path / "kept") == []


def test_each_epoch_is_told_and_the_folder_holds_all(train, tmp_path):
    process = train("fake-fake")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "epoch 1/2: loss " in err
    assert "epoch 2/2: loss " in err
    assert "% of the test images right" in out
    kept = checkpoint.read_checkpoint(tmp_path / "kept" / "net")
    assert len(kept.card["scores"]["accuracy_by_epoch"]) == 2
    assert {path.name for path in kept.folder.iterdir()} == {checkpoint.WEIGHTS, checkpoint.CARD, checkpoint.CURVES}
    assert os.listdir(tmp_path / "kept") == ["net"]
    again = train("fake-fake")  # what is there stays, and nothing is trained for it
    assert "not an empty folder" in again.communicate(timeout=60)[1]
    assert again.returncode == 2


@pytest.mark.parametrize(
    ("framework", "code", "words"),
    [
        ("fake-killed", 1, "ended crashed: ended by SIGKILL"),
        ("fake-infinite", 1, "ended nan: loss is not finite after epoch 1"),
        ("liar-torn", 1, "ended invalid: the worker's answer"),
        ("fake-missing", 2, "make it with: tox run --notest -e fake-missing-cpu"),
    ],
)
def test_a_training_that_fails_leaves_nothing(train, tmp_path, framework, code, words):
    process = train(framework)
    _, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert words in err
    assert "Traceback" not in err
    assert framework == "fake-missing" or nothing_left(tmp_path)


@pytest.mark.fault(26)
def test_an_interrupted_training_leaves_nothing_and_says_so(train, tmp_path):
    process = train("fake-hang")
    assert "training linear in fake-hang" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is saved" in err
    until(lambda: nothing_left(tmp_path), "an empty folder", 1)
