"""Folders of trained networks: read back as written, made whole or not at all, and refused when anything is wrong."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.recipes import RECIPES
from adapters.weights import initial_weights
from benchmarks.errors import DataError, LockstepError, StorageError, UsageError
from benchmarks.models import checkpoint
from tests.checkpoints import write_checkpoint
from tests.unit.conftest import examples

RECIPE = RECIPES["mlp"]
WEIGHTS = initial_weights(RECIPE.model, RECIPE.initialiser, 3)
ABOUT = {"dataset": {"name": "mnist-5k"}, "commit": "abc"}


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path / "mlp", RECIPE, WEIGHTS, ABOUT)
    return tmp_path / "mlp"


def change(folder, edit):
    card = json.loads((folder / checkpoint.CARD).read_text())
    edit(card)
    (folder / checkpoint.CARD).write_text(json.dumps(card))


def test_what_is_written_is_read(folder):
    found = checkpoint.read_checkpoint(folder)
    assert (found.folder, found.recipe) == (folder, RECIPE)
    assert list(found.weights) == [parameter.name for parameter in RECIPE.model.parameters()]
    assert all(np.array_equal(found.weights[name], array) for name, array in WEIGHTS.items())
    assert found.card["dataset"] == ABOUT["dataset"]
    assert found.card["recipe"]["layers"][1] == {"type": "Dense", "units": 128, "bias": True}
    assert [path.name for path in folder.parent.iterdir()] == ["mlp"]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_can_be_kept(tmp_path, recipe):
    write_checkpoint(tmp_path / "kept", recipe, initial_weights(recipe.model, recipe.initialiser, 0), {})
    assert checkpoint.read_checkpoint(tmp_path / "kept").recipe == recipe


DAMAGES = {
    "no folder": (lambda f: f.rename(f.parent / "away"), "no folder"),
    "no file": (lambda f: (f.rename(f.parent / "away"), f.touch()), "no folder"),
    "no card": (lambda f: (f / checkpoint.CARD).unlink(), "has no card.json"),
    "no JSON": (lambda f: (f / checkpoint.CARD).write_text("{"), "damaged model card"),
    "no UTF-8": (lambda f: (f / checkpoint.CARD).write_bytes(b'{"card_version": "\xff"}'), "damaged model card"),
    "no object": (lambda f: (f / checkpoint.CARD).write_text("[1]"), "found no object"),
    "deep": (lambda f: (f / checkpoint.CARD).write_text("[" * 200_000), "damaged model card"),
    "huge": (lambda f: (f / checkpoint.CARD).write_text(" " * (2 << 20)), "is larger than"),
    "NaN": (lambda f: change(f, lambda c: c.update(scores={"loss": float("nan")})), "NaN is not JSON"),
    "a key twice": (lambda f: (f / checkpoint.CARD).write_text('{"a": 1, "a": 2}'), "a key occurs twice"),
    "version": (lambda f: change(f, lambda c: c.update(card_version=1)), "expected card_version 2, found 1"),
    "true for 1": (lambda f: change(f, lambda c: c.update(card_version=True)), "found True"),
    "no recipe": (lambda f: change(f, lambda c: c.pop("recipe")), "'recipe' to be an object"),
    "dataset a text": (lambda f: change(f, lambda c: c.update(dataset="x")), "'dataset' to be an object"),
    "unknown recipe": (
        lambda f: change(f, lambda c: c["recipe"].update(name="\x1b[31m")),
        r"name: expected a text of at most 200 characters, found '\x1b[31m'",
    ),
    "list for a name": (lambda f: change(f, lambda c: c["recipe"].update(name=[])), "name: expected a text"),
    "layers": (lambda f: change(f, lambda c: c["recipe"]["layers"].pop()), "its model is not the one"),
    "pixels": (
        lambda f: change(f, lambda c: c["recipe"]["recipe"]["pixels"].update(low=-1.0)),
        "its pixels is not the one",
    ),
    "another recipe": (lambda f: change(f, lambda c: c["recipe"].update(name="lenet")), "its model is not the one"),
    "no weights": (lambda f: (f / checkpoint.WEIGHTS).unlink(), "no such file"),
    "weights cut": (lambda f: os.truncate(f / checkpoint.WEIGHTS, 1000), "weights.safetensors"),
    "pickle": (lambda f: (f / checkpoint.WEIGHTS).write_bytes(b"\x80\x04N." * 9), "a pickle"),
    "a pipe": (
        lambda f: ((f / checkpoint.CARD).unlink(), os.mkfifo(f / checkpoint.CARD)),
        "a pipe, not a regular file",
    ),
    "a link": (
        lambda f: (f / checkpoint.CARD).rename(f / "x") and (f / checkpoint.CARD).symlink_to("x"),
        "a symbolic link",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_said_in_one_line(folder, damage):
    spoil, words = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(DataError) as raised:
        checkpoint.read_checkpoint(folder)
    assert words in str(raised.value)
    assert str(raised.value).isprintable()


def test_weights_of_another_training_are_refused(folder, tmp_path):
    write_checkpoint(tmp_path / "other", RECIPE, initial_weights(RECIPE.model, RECIPE.initialiser, 4), {})
    (tmp_path / "other" / checkpoint.WEIGHTS).replace(folder / checkpoint.WEIGHTS)
    with pytest.raises(DataError, match="its SHA-256 differs"):
        checkpoint.read_checkpoint(folder)


@given(st.binary(max_size=300), st.integers(0, 2000))
@settings(max_examples=examples(100), deadline=None)
def test_no_card_leads_to_anything_but_an_error_of_ours(tmp_path_factory, noise, place):
    folder = tmp_path_factory.mktemp("fuzz") / "mlp"
    write_checkpoint(folder, RECIPE, WEIGHTS, ABOUT)
    content = bytearray((folder / checkpoint.CARD).read_bytes())
    content[place : place + len(noise)] = noise
    (folder / checkpoint.CARD).write_bytes(content)
    with suppress(LockstepError):
        assert checkpoint.read_checkpoint(folder).recipe.model == RECIPE.model


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), OSError("disk"), DataError("x")])
def test_what_ends_the_making_leaves_nothing(tmp_path, ending):
    def make():
        with checkpoint.new_folder(tmp_path / "mlp") as part:
            checkpoint.fill(part, RECIPE, WEIGHTS, {})
            raise ending

    with pytest.raises(type(ending)):
        make()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_and_any_other_refused(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    write_checkpoint(tmp_path / "empty", RECIPE, WEIGHTS, {})
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for taken in (folder, tmp_path / "file", tmp_path / "link"):
        with pytest.raises(UsageError, match="not an empty folder"), checkpoint.new_folder(taken):
            pytest.fail("it must not be begun")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_another_puts_there_meanwhile_stays(tmp_path):
    def make():
        with checkpoint.new_folder(tmp_path / "mlp"):
            (tmp_path / "mlp").mkdir()
            (tmp_path / "mlp" / "theirs").touch()

    with pytest.raises(UsageError, match="not an empty folder"):
        make()
    assert [path.name for path in tmp_path.rglob("*")] == ["mlp", "theirs"]


def test_a_place_that_takes_nothing_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        write_checkpoint(tmp_path / "file" / "mlp", RECIPE, WEIGHTS, {})
    with pytest.raises(StorageError, match="File name too long"):
        write_checkpoint(tmp_path / ("x" * 300), RECIPE, WEIGHTS, {})
    with pytest.raises(DataError, match="no folder"):
        checkpoint.read_checkpoint(tmp_path / ("x" * 300))
