from __future__ import annotations

import itertools
from collections import Counter

import pytest

from benchmarks.plan.cells import Axes, Cell, blocks, expand, launches, williams

FRAMEWORKS = ("torch", "jax", "numpy")


def axes(**changes):
    defaults = {
        "frameworks": FRAMEWORKS,
        "recipes": ("mlp", "lenet"),
        "datasets": ("mnist-5k",),
        "devices": ("cpu",),
        "batch_sizes": (100,),
        "modes": (None,),
        "dtypes": ("float32",),
        "threads": (2,),
    }
    return Axes(**{**defaults, **changes})


class Recommending:
    """A probe whose framework recommends one mode for the MLP on preloaded data, and eager for all else."""

    def __init__(self, mode):
        self.mode = mode

    def recommended(self, model, input):
        return self.mode if (model, input) == ("mlp", "preloaded") else "eager"


PROBES = {(name, "cpu"): Recommending("fused" if name == "jax" else "eager") for name in FRAMEWORKS}


def test_every_point_once_with_modes_resolved():
    cells = expand(axes(), PROBES)
    assert len(cells) == 6
    assert {cell.mode for cell in cells if cell.framework == "jax"} == {"fused", "eager"}


def test_a_mode_asked_for_twice_is_one_cell():
    cells = expand(axes(modes=(None, "eager", "eager")), PROBES)
    assert len(cells) == len(set(cells)) == 7


def test_a_recipe_brings_its_own_batch_size():
    assert {cell.batch_size for cell in expand(axes(recipes=("cnn_32_64",), batch_sizes=(None,)), PROBES)} == {64}


def test_pipelines_are_comparisons_of_their_own_with_modes_of_their_own():
    cells = expand(axes(recipes=("mlp",), inputs=("preloaded", "host")), PROBES)
    assert len(cells) == 6
    assert {(cell.input, cell.mode) for cell in cells if cell.framework == "jax"} == {
        ("preloaded", "fused"),
        ("host", "eager"),
    }
    assert len({cell.comparison() for cell in cells}) == 2


@pytest.mark.parametrize("frameworks", [("torch",), FRAMEWORKS[:2], FRAMEWORKS, (*FRAMEWORKS, "paddle", "mxnet")])
def test_rounds_keep_comparisons_together_and_balance_who_comes_where_and_after_whom(frameworks):
    cells, arms = expand(axes(modes=("eager", "compiled"), frameworks=frameworks), {}), 2 * len(frameworks)
    check_balance(cells, arms, rounds=arms)
    check_balance(expand(axes(modes=("eager",), frameworks=frameworks), {}), arms // 2, rounds=arms)


def check_balance(cells, arms, rounds):
    """Fail where a cell of a comparison of `arms` cells has a place, or follows another, more often than others do."""
    made = list(blocks(cells, rounds, seeds=0, seed=3))
    assert Counter(cell for block in made for cell in block.cells) == dict.fromkeys(cells, rounds)
    for comparison in {cell.comparison() for cell in cells}:
        orders = [block.cells for block in made if block.comparison == comparison]
        assert [block.round for block in made if block.comparison == comparison] == list(range(rounds))
        places = Counter((cell, place) for order in orders for place, cell in enumerate(order))
        after = Counter(pair for order in orders for pair in itertools.pairwise(order))
        assert set(places.values()) == {rounds // arms}
        assert len(places) == arms**2
        assert len(after) == arms * (arms - 1)
        assert len(set(after.values())) == (arms > 1)


@pytest.mark.parametrize("arms", [3, 5, 6, 7])
def test_six_rounds_let_no_cell_come_after_the_same_in_most_of_them(arms):
    orders = [williams(arms)[number % len(williams(arms))] for number in range(6)]
    after = Counter(pair for order in orders for pair in itertools.pairwise(order))
    assert max(after.values()) <= 2 + (arms == 7)  # a rotation: 5 of 6, or 6


def test_the_order_is_the_seed_s():
    cells = expand(axes(), PROBES)
    assert list(launches(cells, 3, 2, 1)) == list(launches(cells, 3, 2, 1))
    first, second = ([planned.cell for planned in launches(cells, 3, 2, seed)] for seed in (1, 2))
    assert first != second


def test_speed_keeps_one_seed_and_each_accuracy_launch_has_its_own():
    order = list(launches(expand(axes(), PROBES), rounds=2, seeds=3, seed=7))
    assert {(planned.task, planned.round, planned.seed) for planned in order} == {
        ("speed", 0, 7), ("speed", 1, 7), ("accuracy", 0, 7), ("accuracy", 1, 8), ("accuracy", 2, 9),
    }  # fmt: skip
    assert [planned.task for planned in order] == ["speed"] * 12 + ["accuracy"] * 18


def test_identity_covers_the_axes_and_what_else_decides():
    cell = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 2)
    other = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1)
    assert cell.identity(code="a") == cell.identity(code="a")
    assert len({cell.identity(code="a"), cell.identity(code="b"), other.identity(code="a")}) == 3


def test_a_row_says_which_cell_it_is_a_launch_of():
    """A row of the checkout's own adapters has no revision, a cell an empty one."""
    made = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 2, "host")
    own = {**vars(made), "revision": None, "model": "mlp", "round": 3}
    assert Cell.from_row(own) == made
    assert Cell.from_row({**own, "revision": "abc"}).revision == "abc"
