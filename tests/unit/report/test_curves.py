"""One training as a picture, drawn from its card; accuracies by epoch as a table."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from adapters.recipes import PUBLISHED_ACCURACY, RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import DataError
from benchmarks.models import checkpoint
from benchmarks.record.store import append
from report.curves import as_markdown, curves, draw
from report.results.load import load
from tests.checkpoints import write_checkpoint


@pytest.fixture
def learnt(row, tmp_path):
    """Load accuracy rows of the MNIST tutorial's mlp, given as (framework, seed, accuracies by epoch)."""

    def write(*found, **changes):
        for framework, seed, accuracies in found:
            shared = {"task": "accuracy", "recipe": "mlp_tutorial", "dataset": "mnist", **changes}
            figures = {"accuracy_by_epoch": accuracies, "accuracy": accuracies[-1], "train_accuracy": 0.99}
            append(tmp_path / "a.jsonl", "row", {**row, **shared, **figures, "framework": framework, "seed": seed})
        return load(tmp_path)

    return write


def test_means_over_seeds_by_epoch(learnt):
    table = curves(learnt(("torch", 0, [0.2, 0.8]), ("torch", 1, [0.4, 0.9]), ("jax", 0, [0.5])))
    found = table.set_index(["framework", "epoch"])
    assert found.loc[("torch", 1), "accuracy"] == pytest.approx(0.3)
    assert found.loc[("torch", 2), "accuracy"] == pytest.approx(0.85)
    assert found.loc[("torch", 2), "seeds"] == 2
    assert found.loc[("jax", 1), "accuracy"] == 0.5
    assert ("jax", 2) not in found.index


def test_speed_launches_and_failures_do_not_count(learnt):
    learnt(("torch", 0, [0.1, 0.1]), task="speed")
    learnt(("torch", 1, [0.1, 0.1]), status="nan")
    table = curves(learnt(("torch", 2, [0.2, 0.8])))
    assert table["accuracy"].tolist() == [0.2, 0.8]
    assert table["seeds"].tolist() == [1, 1]


def test_published_figures_stand_first_in_percent(learnt):
    text = as_markdown(curves(learnt(("torch", 0, [0.2, 0.81234]))))
    heading, _, published, torch = text.splitlines()
    assert heading == "| mlp_tutorial, mnist: % right after epoch | 1 | 2 | training images | seeds |"
    first, second = (100 * figure for figure in PUBLISHED_ACCURACY["mlp_tutorial"][:2])
    assert published == f"| published | {first:.2f} | {second:.2f} |  |  |"
    assert torch == "| torch | 20.00 | 81.23 | 99.00 | 1 |"


def test_a_training_figure_stands_in_its_own_column(learnt):
    text = as_markdown(curves(learnt(("torch", 0, [0.2, 0.3]), recipe="lenet5", model="lenet5")))
    assert "| published |  | 99.86 |  |" in text
    assert "| torch | 30.00 | 99.00 | 1 |" in text


def test_recipes_without_published_figures_are_left_out(learnt):
    assert as_markdown(curves(learnt(("torch", 0, [0.2]), recipe="mlp"))) == ""


RECIPE = RECIPES["linear"]
SCORES = {"train_loss_by_epoch": [2.0, 1.5], "loss_by_epoch": [1.9, 1.6], "accuracy_by_epoch": [0.5, 0.75]}


def folder(tmp_path, scores, framework="torch"):
    about = {"scores": scores, "training": {"framework": framework, "seed": 0}, "dataset": {"name": "mnist-5k"}}
    write_checkpoint(tmp_path / "net", RECIPE, initial_weights(RECIPE.model, RECIPE.initialiser, 0), about)
    return tmp_path / "net"


def test_the_same_card_gives_the_same_picture_and_says_what_it_is_of(tmp_path):
    for place in ("a", "b"):
        draw(folder(tmp_path / place, SCORES, "<torch & $x$>"))
    first, second = ((tmp_path / place / "net" / checkpoint.CURVES).read_text() for place in "ab")
    assert first == second
    root = ElementTree.fromstring(first)  # noqa: S314  # what we have just drawn
    texts = {item.text for item in root.iter() if item.text}
    assert "linear in <torch & $x$> on mnist-5k, seed 0" in texts
    assert "test accuracy, %" in texts


@pytest.mark.parametrize(
    "scores",
    [{}, {**SCORES, "loss_by_epoch": []}, {**SCORES, "loss_by_epoch": [1]}, {**SCORES, "loss_by_epoch": ["x", 1]}],
)
def test_scores_that_make_no_curve_are_refused(tmp_path, scores):
    with pytest.raises(DataError, match="no scores by epoch"):
        draw(folder(tmp_path, scores))


def test_an_earlier_drawing_is_replaced_and_a_link_is_not_followed(tmp_path):
    kept = folder(tmp_path, SCORES)
    (kept / checkpoint.CURVES).symlink_to(tmp_path / "elsewhere")
    first = draw(kept).read_text()
    assert not (tmp_path / "elsewhere").exists()
    assert draw(kept).read_text() == first
    assert json.loads((kept / checkpoint.CARD).read_text())["scores"] == SCORES
