"""A network of one's own, a small residual one, through everything: from its file to a page."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from adapters.networks import declared
from benchmarks.models import checkpoint

FILE = """
name = "small"
source = "a test"
layers = [
  { type = "Conv2D", channels = 4, kernel = 3, stride = 2, padding = 1 },
  { type = "Activation", function = "relu" },
  { type = "Residual", branch = [
    { type = "Conv2D", channels = 8, kernel = 3, stride = 2, padding = 1 },
    { type = "Activation", function = "tanh" },
  ], shortcut = [{ type = "Conv2D", channels = 8, kernel = 1, stride = 2, bias = false }] },
  { type = "Flatten" },
  { type = "Dense", units = 10 },
]
[recipe]
optimiser = { type = "SGD", rate = 0.05, momentum = 0.9 }
epochs = 1
"""
FRAMEWORKS = ("--framework", "numpy,torch")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "small.toml").write_text(FILE)
    return str(tmp_path / "small.toml")


def test_it_goes_from_its_file_through_proof_speed_and_training_to_a_page(command, sweep, file, tmp_path):
    done = command("benchmarks", "verify", "--model", file, *FRAMEWORKS, "--steps", "20", "--json")
    assert done.returncode == 0, done.stderr
    proofs = json.loads(done.stdout)
    [name] = {proof["recipe"] for proof in proofs}
    assert [proof["lockstep"] for proof in proofs] == ["pass", "pass"]
    assert name.startswith("small-")

    settings = ("--recipe", file, *FRAMEWORKS, "--threads", "1", "--rounds", "2", "--no-peak")
    done, rows = sweep(*settings)
    assert done.returncode == 0, done.stderr
    assert {(row["recipe"], row["model"], row["lockstep"], row["status"]) for row in rows} == {
        (name, name, "pass", "ok")
    }
    assert {row["task"] for row in rows if row["replay_deviation"] is not None} == {"speed"}

    again, all_rows = sweep(*settings, "--resume")
    assert (again.returncode, len(all_rows)) == (0, len(rows))  # nothing was measured again
    page = tmp_path / "page.html"
    assert command("report", "page", "--results", str(tmp_path / "results"), "--out", str(page)).returncode == 0
    text = page.read_text()
    assert f"{name}: 4,298 parameters" in text
    assert "2.shortcut.0 Conv 1 × 1" in text


def test_it_is_trained_kept_and_read_by_another_framework(command, file, tmp_path):
    folder = tmp_path / "kept"
    line = ("train", "--model", file, "--framework", "torch", "--threads", "1", "--native", "--save", str(folder))
    done = command("benchmarks", *line)
    assert done.returncode == 0, done.stderr
    kept = checkpoint.read_checkpoint(folder)
    assert kept.card["recipe"] == declared(kept.recipe)
    assert kept.recipe.name.startswith("small-")
    done = command("benchmarks", "verify", str(folder), *FRAMEWORKS, "--native", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["agreement"]["agreed"]
    assert all(deviation < 1e-4 for forms in found["native"].values() for deviation in forms.values())
    image = Image.new("L", (60, 60), 255)
    image.paste(0, (28, 8, 34, 52))
    image.save(tmp_path / "one.png")
    done = command("benchmarks", "predict", str(tmp_path / "one.png"), "--weights", str(folder), *FRAMEWORKS, "--json")
    assert done.returncode == 0, done.stderr
    [read] = json.loads(done.stdout)
    assert set(read["probabilities"]) == {"numpy", "torch"}


def test_what_cannot_be_is_one_line_in_every_command(refused, file, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(FILE.replace('  { type = "Flatten" },\n', ""))
    words = "wrong.toml: model 'small', layer 3, Dense: needs a vector, got (8, 7, 7); put Flatten before it"
    for line in (("info", "describe"), ("run", "--model"), ("verify", "--recipe"), ("micro", "--model")):
        refused(words, "benchmarks", *line, str(wrong))
    refused(words, "benchmarks", "train", "--model", str(wrong), "--save", str(tmp_path / "kept"))
    refused("cannot read", "benchmarks", "info", "describe", str(tmp_path / "none.toml"))
