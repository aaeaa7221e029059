"""The commands that a page gives measure the cells of its rows: these, and no others."""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import asdict

import pytest

from adapters.registry import FRAMEWORKS
from benchmarks.plan.cells import PRESETS
from benchmarks.record.store import append
from report.page.document import facts
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.parts import Command, Words
from report.page.sections import repeat
from report.results.load import load, records
from tests.browser import synthetic

WHOLE = {"machine": {"physical_cores": 2}}


def as_kept(preset):
    """Return a preset as a run's record has it."""
    return json.loads(json.dumps(asdict(preset)))


def options(command):
    """Return a command's options with their values."""
    given = shlex.split(command.removeprefix("tox -e bench -- "))
    return {name: value.split(",") for name, value in zip(given[::2], given[1::2], strict=True)}


def expanded(commands):
    """Return the cells that commands ask for, as text by axis."""
    found = [itertools.product(*(options(command)[axis] for axis in repeat.AXES)) for command in commands]
    return list(itertools.chain.from_iterable(found))


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return Inputs(load(synthetic.write(tmp_path_factory.mktemp("full"), 2, ["mlp", "lenet"]), PAGE_COLUMNS), []).frame


def test_the_cells_of_the_commands_are_those_of_the_rows(frame):
    cells = expanded(repeat._commands(frame, {}))
    assert len(cells) == len(set(cells))
    assert set(cells) == set(frame[list(repeat.AXES.values())].astype(str).itertuples(index=False, name=None))


def test_what_crosses_is_one_command(frame):
    everywhere = frame["framework"].isin([name for name, known in FRAMEWORKS.items() if "gpu" in known.devices])
    some = frame[everywhere & (frame["input"] == "preloaded") & (frame["batch_size"] < 4096)]
    assert len(list(repeat._commands(some, {}))) == 1
    assert len(list(repeat._commands(frame[frame["batch_size"] == 100], {}))) > 1


def test_recommended_modes_and_all_cores_need_no_option(make, write_set):
    rows = [make(framework="torch", mode="eager", threads=2), make(framework="jax", mode="fused", threads=2)]
    frame = load(write_set("two", *rows), PAGE_COLUMNS)
    assert len(list(repeat._commands(frame, WHOLE))) == 2
    [one] = repeat._commands(frame, {**WHOLE, "requested": {"modes": "recommended"}})
    assert not {"--mode", "--threads"} & options(one).keys()


@pytest.mark.parametrize("name", PRESETS)
def test_how_much_was_measured_is_asked_for_again(make, write_set, name):
    trained = make(task="accuracy", accuracy=0.9, epochs=3, train_samples_per_s=None)
    frame = load(write_set(name, make(round=3), trained), PAGE_COLUMNS)
    given = options(next(repeat._commands(frame, {"preset": as_kept(PRESETS[name])})))
    assert (given["--preset"], given["--epochs"], given["--seeds"]) == ([name], ["3"], ["1"])
    assert given.get("--rounds") == (None if PRESETS[name].looks else ["4"])
    exact = options(next(repeat._commands(frame, {"preset": {**as_kept(PRESETS[name]), "looks": []}})))
    assert exact["--rounds"] == ["4"]


def test_recipes_that_were_trained_for_different_epochs_have_commands_of_their_own(make, write_set):
    trained = {"task": "accuracy", "accuracy": 0.9, "train_samples_per_s": None}
    rows = [make(**trained, epochs=3), make(**trained, recipe="lenet", model="lenet", epochs=5)]
    found = [options(command) for command in repeat._commands(load(write_set("epochs", *rows), PAGE_COLUMNS), {})]
    assert [(given["--recipe"], given["--epochs"]) for given in found] == [(["lenet"], ["5"]), (["mlp"], ["3"])]


def test_a_checkout_with_changes_is_said_and_not_checked_out(make, write_set):
    folder = write_set("dirty", make(), commit="77cdc6a59d23-dirty", code="abcdef")
    inputs = Inputs(load(folder, PAGE_COLUMNS), records(folder))
    parts = repeat.section(inputs).parts
    assert next(part for part in parts if isinstance(part, Command)).lines[0] == "git checkout 77cdc6a59d23"
    said = [sentence for part in parts if isinstance(part, Words) for sentence in part.sentences]
    assert any("changes of its own (code hash abcdef)" in sentence for sentence in said)


def test_launches_that_were_not_made_are_said(make, write_set):
    folder = write_set("cut", make(), requested={"cells": 1, "launches": 4})
    [path] = folder.iterdir()
    assert not any("not made" in fact for fact in facts(Inputs(load(folder, PAGE_COLUMNS), records(folder))))
    append(path, "end", {"wall_s": {}, "reported": 1, "not_needed": 3})
    assert "3 more asked for and not made" in list(facts(Inputs(load(folder, PAGE_COLUMNS), records(folder))))
