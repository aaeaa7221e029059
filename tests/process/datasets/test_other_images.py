"""Images of any size, in colours, of any number of classes: from their files through a launch to rows and a page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

from benchmarks.errors import UsageError
from benchmarks.plan.data.own import load_own
from benchmarks.plan.data.prepared import prepare
from benchmarks.plan.fit import check
from tests.process.datasets.networks import file

ROOT = Path(__file__).resolve().parents[3]
ACCURACY = ("--rounds", "0", "--seeds", "1", "--no-peak", "--threads", "1", "--framework", "fake-fake")


def digits(folder):
    """Write scikit-learn's 1,797 digits of 8x8 as numpy.savez does; their pixels end at 16."""
    known = datasets.load_digits()
    images = (known.images * (255 / 16)).astype(np.uint8)
    np.savez(folder / "digits.npz", images=images, target=known.target, target_names=known.target_names)
    return folder / "digits.npz"


def faces(folder):
    """Write 400 grey images of 64x64 of 40 people, as Olivetti's: each a smooth picture of its own, lit in ten ways."""
    generator = np.random.default_rng(0)
    people = np.kron(generator.random((40, 8, 8)), np.ones((8, 8)))
    light = 0.7 + 0.3 * generator.random((10, 1, 1, 1))
    images = light * people + 0.05 * generator.standard_normal((10, 40, 64, 64))
    names = np.tile(np.arange(40), 10)
    np.savez(folder / "faces.npz", images=np.clip(images, 0, 1).reshape(-1, 64, 64), target=names)
    return folder / "faces.npz"


def photos(folder):
    """Write pieces of 32x32 of scikit-learn's two photographs, a folder of PNG for each: their colours differ."""
    for name, picture in zip(("china", "flower"), datasets.load_sample_images().images, strict=True):
        (folder / "photos" / name).mkdir(parents=True)
        pieces = [picture[top : top + 32, left : left + 32] for top in range(0, 416, 32) for left in range(0, 640, 32)]
        for number, piece in enumerate(pieces):
            Image.fromarray(piece).save(folder / "photos" / name / f"{number:03}.png")
    return folder / "photos"


# What writes them, the network that reads them, their shape and classes, an accuracy well below what it learns.
SETS = {
    "digits": (digits, "small", (1, 8, 8), 10, 0.8),
    "faces": (faces, "faces", (1, 64, 64), 40, 0.8),
    "photos": (photos, "photos", (3, 32, 32), 2, 0.75),
}


@pytest.fixture
def run(tmp_path):
    """Run the program; returns the finished process."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LOCKSTEP_CACHE": str(tmp_path / "cache")}

    def call(*line: str, module: str = "tests.process.faults.harness") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *line]
        return subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False
        )

    return call


@pytest.mark.parametrize("name", SETS)
def test_what_the_readers_make_of_them(tmp_path, name):
    write, _, shape, classes, _ = SETS[name]
    data = load_own(write(tmp_path))
    assert (data.image_shape, data.classes) == (shape, classes)
    assert f"{'x'.join(map(str, shape))} in {classes} classes" in data.notes[0]
    assert len(data.notes) == 1  # none of the warnings about MNIST's digits
    assert len(np.unique(data.train_labels)) == len(np.unique(data.test_labels)) == classes


def test_pictures_are_what_was_written(tmp_path):
    data = load_own(photos(tmp_path))
    first = datasets.load_sample_images().images[0][:32, :32]
    np.testing.assert_array_equal(data.train_images[0], first.transpose(2, 0, 1))
    assert data.class_names == ("china", "flower")
    assert "labels are 0 = china, 1 = flower" in data.notes[0]


def test_a_grey_picture_among_colours_has_three_channels(tmp_path):
    folder = photos(tmp_path)
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    Image.fromarray(grey).save(folder / "china" / "000.png")
    data = load_own(folder)
    np.testing.assert_array_equal(data.train_images[0], np.stack([grey] * 3))


def test_folders_called_by_numbers_are_ordered_by_them(tmp_path):
    for number in range(1, 13):
        (tmp_path / str(number)).mkdir()
        for copy in range(5):
            Image.fromarray(np.full((9, 7), 20 * number + copy, np.uint8)).save(tmp_path / str(number) / f"{copy}.png")
    data = load_own(tmp_path)
    assert data.test_labels.tolist() == list(range(12))
    assert data.test_images[:, 0, 0, 0].tolist() == [20 * number + 4 for number in range(1, 13)]
    assert data.class_names == tuple(map(str, range(1, 13)))
    assert "labels are 0 = 1, 1 = 2" in data.notes[0]
    assert "9 = 10 and 2 more" in data.notes[0]


def test_a_network_of_mnist_does_not_fit(tmp_path):
    data = prepare(str(faces(tmp_path)), None, tmp_path / "cache")
    with pytest.raises(UsageError, match=r"'lenet' reads 1x28x28 images, data set 'faces-\w{8}' has 1x64x64: declare"):
        check(["lenet"], [data])


@pytest.mark.parametrize("line", [("run", "--dry-run"), ("run",), ("verify",), ("train", "--save", "{}/net")])
def test_every_command_says_so_in_a_line(tmp_path, run, line):
    done = run(*(word.format(tmp_path) for word in line), "--model", "mlp", "--dataset", str(digits(tmp_path)))
    assert done.returncode == 2, done.stderr
    assert "model 'mlp' reads 1x28x28 images, data set 'digits-" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", SETS)
def test_a_launch_learns_them(tmp_path, run, name):
    write, recipe, shape, classes, least = SETS[name]
    results, page = tmp_path / "results", tmp_path / "page.html"
    asked = ("--recipe", file(tmp_path, recipe), "--dataset", str(write(tmp_path)), "--results", str(results))
    done = run("run", *asked, "--epochs", "8", *ACCURACY)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for file in results.glob("*.jsonl") for line in file.read_text().splitlines()]
    [row], [about] = ([found for found in lines if found["kind"] == kind] for kind in ("row", "dataset"))
    assert (row["status"], row["lockstep"]) == ("ok", "pass"), row
    assert row["accuracy"] > least
    assert len(row.get("confusion") or []) == (classes**2 if classes <= 20 else 0)
    assert (about["channels"], about["height"], about["width"], len(about["train_counts"])) == (*shape, classes)
    drawn = run("page", "--results", str(results), "--out", str(page), module="report")
    assert drawn.returncode == 0, drawn.stderr
    assert page.read_text().count('src="data:image/png') >= min(classes, 20)


def test_a_network_for_colours_is_kept_and_reads_a_photograph(tmp_path, run):
    folder, kept = photos(tmp_path), str(tmp_path / "net")
    done = run("train", "--recipe", file(tmp_path, "photos"), "--dataset", str(folder), "--epochs", "8", "--save", kept,
               "--framework", "fake-fake", "--threads", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    Image.fromarray(datasets.load_sample_images().images[1]).save(tmp_path / "whole.png")
    done = run("predict", str(tmp_path / "whole.png"), "--weights", kept, "--framework", "fake-fake", "--ascii")
    assert done.returncode == 0, done.stderr
    assert "resized to 3x32x32" in done.stdout
    assert "flower" in done.stdout
    done = run("demo", "--weights", kept, "--framework", "fake-fake", "--port", "0")
    assert done.returncode == 2
    assert re.search(r"draws 1x28x28 pixels and shows 10 probabilities; photos-\w{8} reads 3x32x32", done.stderr)
