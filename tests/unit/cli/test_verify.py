"""`verify` does one of three things, and refuses what means nothing there; tables of 80 characters cut nothing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from adapters.flops import describe
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from benchmarks.__main__ import app
from benchmarks.cli import tables, terminal, verify
from benchmarks.errors import UsageError
from benchmarks.launch.probe import Probe
from benchmarks.launch.proof import Proof, unproven
from benchmarks.models.evaluate import Pair
from benchmarks.plan.cells import Cell

VERDICT = {
    "by_step": {"1": 1.2e-16, "200": 3.4e-15},
    "deviations": {"loss": 1.1e-7, "gradient": 2.2e-6, "weights": 3.3e-7, "outputs": 4.4e-6},
    "float64_deviation": 5.6e-15,
}
FIGURES = ("5.6e-15", "1.1e-07", "2.2e-06", "3.3e-07", "4.4e-06", "1.2e-16", "3.4e-15")


@pytest.mark.parametrize(("width", "shown"), [(80, 2), (200, 7)])
def test_the_table_of_proofs_has_as_many_columns_as_there_is_room_for_and_reasons_under_it(width, shown):
    cells = [Cell("tensorflow", r, "mnist-5k", "cpu", 100, "compiled", "float32", 2) for r in ("lenet_tutorial", "mlp")]
    proofs = [Proof("pass", "", VERDICT), unproven("the gate ended failed: [/no] memory")]
    console = Console(file=io.StringIO(), width=width)
    terminal.show(console, tables.deviations(list(zip(cells, proofs, strict=True)), width))
    said = console.file.getvalue()
    assert max(map(len, said.partition("float64 losses: of all")[0].splitlines())) <= width
    assert [figure in said for figure in FIGURES] == [True] * shown + [False] * (len(FIGURES) - shown)
    assert "lenet_tutorial" in said
    reason = "mlp tensorflow compiled float32 preloaded: unproven, the gate ended failed: [/no] memory"
    assert reason in " ".join(said.split())
    assert "tensorflow  compiled  float32" not in said  # what is alike in all stands in the title
    assert "reference, float32, preloaded" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["net", "--steps", "5"], "--steps means nothing with FOLDER"),
        (["net", "--exchange"], "--exchange means nothing with FOLDER"),
        (["net", "--model", "mlp"], "--model means nothing with FOLDER"),
        (["--exchange", "--native"], "--native means nothing with --exchange"),
        (["--exchange", "--mode", "eager"], "--mode means nothing with --exchange"),
        (["--epochs", "1"], "--epochs means nothing without FOLDER and --exchange"),
        (["--out", "x"], "--out means nothing without FOLDER and --exchange"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused_even_with_its_default_value(line, words):
    done = CliRunner().invoke(app, ["verify", *line])
    assert isinstance(done.exception, UsageError), done.exception
    assert str(done.exception).startswith(words)


@pytest.mark.parametrize(
    ("has", "dtype", "taken"),
    [
        ({"float64", "float32"}, "float64", "float64"),
        ({"float32"}, "float64", "float32"),
        (set(), "float64", "float64"),
    ],
)
def test_what_has_no_float64_is_verified_in_float32_where_no_dtype_was_asked_for(has, dtype, taken):
    cell = Cell("mlx", "mlp", "mnist-5k", "cpu", 100, "eager", dtype, 1)
    reasons = {f"eager {name} preloaded": None if name in has else "none here" for name in ("float64", "float32")}
    assert verify._in_a_dtype(cell, Probe("mlx", "cpu", facts={"unsupported": reasons})).dtype == taken


def test_a_verdict_in_float32_only_says_why_and_has_no_float64_deviation():
    less = Proof("float32 only", "exp is float32's", {**VERDICT, "float64_deviation": None})
    said = [*tables.deviations([(Cell("mlx", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1), less)], None)]
    assert said[1:][-2].startswith("float32 only: no float64")
    assert said[-1] == "mlp mlx eager float32 preloaded: float32 only, exp is float32's"


@pytest.mark.parametrize("more", [(), ("another",), ("another", "yet another")])
def test_weights_that_frameworks_exchange_are_tables_of_80_characters_that_cut_nothing(more):
    names = [*FRAMEWORKS, *more]
    pairs = [Pair("lenet_tutorial", one, other, 0.9712, 3.4e-6) for one in names for other in names]
    console = Console(file=io.StringIO(), width=80)
    for table in tables.exchanged(pairs):
        console.print(table)
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("3.4e-06") == len(pairs)
    assert all(said.count(f"{name} ") >= 2 or said.count(f"{name}\n") for name in names)


@pytest.mark.parametrize("name", RECIPES)
def test_a_network_s_description_cuts_no_number_at_80_characters(name):
    described = describe(RECIPES[name], 1000)
    console = Console(file=io.StringIO(), width=80)
    console.print(tables.as_table(described, 80))
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= 80
    assert all(f"{layer['training_flops']:,}" in said for layer in described["layers"])
    assert f"{described['training_flops']:,}" in said
