"""Every command of README and docs runs as it stands there; sweeps are planned, and long ones get less to do.

Cards and clusters are not here: the command line reads those commands (tests/unit/test_documents.py), and the documents
say that they are unproven. What `tox -e bench` and `tox -e test` measure and test, .ci/run does for real.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.documents import COMMANDS, ROOT

NOT_HERE = ("gpu", "cluster", "--engine", "NAME")
# Of a sweep that measured two, as tests/sweeps/test_compare.py does; of sessions, or of others, as unit tests do.
NEEDS_ROWS = (
    *("--by revision", "--by version", "--by wrapper", "--confirm", "info diff", "report history"),
    "--results submissions",
)
STANDS_FOR = {  # what a user would type in place of it
    **dict.fromkeys(("OLD", "NEW", "BASE", "DIR"), str(ROOT / "results" / "reference")),
    **{f"results/{name}": str(ROOT / "results" / name) for name in ("reference", "releases")},
    **{"F": "pyperf", "main": "HEAD"},
    "torch=/path/to/other/bin/python": f"torch={ROOT / '.tox' / 'torch-cpu' / 'bin' / 'python'}",
}
LESS = {  # options of a command that leave it less to do
    ("benchmarks", "run"): ["--dry-run"],
    ("benchmarks", "verify"): ["--steps", "2", "--framework", "numpy,torch", "--model", "linear"],
    ("benchmarks", "train"): ["--epochs", "1"],
    ("benchmarks", "micro"): ["--max-time", "0.01", "--kind", "put", "--framework", "numpy", "--results", "micro"],
    ("benchmarks", "selftest"): ["--only", "coverage"],
    ("benchmarks", "peak"): ["--sizes", "64", "--framework", "numpy"],
    ("benchmarks", "demo"): ["--port", "0", "--framework", "numpy"],
    ("report", "page"): ["--out", "report.html"],
    ("report", "micro"): ["--results", "micro"],
}
ROWS = ["--results", str(ROOT / "results" / "reference")]
NOW = {  # each once, named by the last document that has it
    tuple(line): f"{document}: {command}"
    for document, command, line in COMMANDS
    if "results/releases" in command or not any(word in command for word in (*NOT_HERE, *NEEDS_ROWS))
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where everything is typed: a photograph of a digit, a data set and a network's file, and one that is trained."""
    made = tmp_path_factory.mktemp("typed")
    photo = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(photo).line([(100, 40), (100, 160)], fill=0, width=18)
    photo.save(made / "photo.png")
    pixels, labels = np.random.default_rng(0).integers(0, 256, (100, 28, 28), np.uint8), np.arange(100) % 10
    np.savez(made / "mnist.npz", x_train=pixels, y_train=labels, x_test=255 - pixels, y_test=labels)
    (made / "wide.toml").write_text(files_in(ROOT / "docs" / "networks.md")[0])
    return made


def files_in(document):
    """Return the networks that a document shows: indented, from their name to the next line of text."""
    found = re.findall(r"^((?:    name = .*\n)(?:(?:    .*)?\n)+)", document.read_text(), re.MULTILINE)
    return [re.sub("^    ", "", text, flags=re.MULTILINE) for text in found]


def as_typed(line):
    """Return a line with what stands in for its placeholders, and with less to do."""
    words = [STANDS_FOR.get(word, word) for word in line]
    verb = words[2] if words[1] == "info" else words[1]
    trained = verb == "verify" and len(words) > 2 and not words[2].startswith("--")
    words += ["--framework", "numpy,torch"] if trained else LESS.get((words[0], verb), [])
    if verb == "run" and "--framework" not in words:
        words += ["--framework", "numpy"]
    if words[0] == "report" and verb in ("compare", "page", "rows") and STANDS_FOR["DIR"] not in words:
        words += ROWS
    return words if words != ["report", "curves", STANDS_FOR["DIR"]] else ["report", "curves", "lenet"]


def environment(folder):
    return {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(folder / "cache"), "COLUMNS": "80"}


@pytest.fixture(scope="module")
def trained(folder):
    """The networks that docs/networks.md trains."""
    for line in {tuple(line) for _, _, line in COMMANDS if line[1] == "train"}:
        command = [sys.executable, "-m", *as_typed(line)]
        done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert all((folder / name / "weights.safetensors").exists() for name in ("lenet", "wide"))


@pytest.mark.parametrize("line", list(NOW), ids=list(NOW.values()))
def test_a_command_of_a_document_runs(line, folder, trained):
    words = as_typed(line)
    if words[1] == "train":
        return  # it made what the others need
    command = [sys.executable, "-m", *words]
    if words[1] == "demo":
        serves(command, folder)
        return
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    fine = {0, 1} if "check" in words or "--fail-on" in words else {0}  # what they found, not how they ended
    assert done.returncode in fine, done.stderr
    assert "Traceback" not in done.stderr


def serves(command, folder):
    """Start the demo, wait for its address, and end it as a user does."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    said = next((line for line in process.stdout if "http://" in line), "")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert "Ctrl-C ends it" in said, rest
    assert process.returncode == 130


@pytest.mark.parametrize("text", files_in(ROOT / "docs" / "networks.md"), ids=lambda text: text.split('"')[1])
def test_a_file_in_the_document_is_a_network_that_frameworks_are_verified_with(tmp_path, text):
    (tmp_path / "own.toml").write_text(text)
    typed = "benchmarks verify --model own.toml --framework numpy,torch --steps 5 --json"
    command = [sys.executable, "-m", *typed.split()]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(one["recipe"].rpartition("-")[0], one["lockstep"]) for one in json.loads(done.stdout)}
    assert found == {(text.split('"')[1], "pass")}
