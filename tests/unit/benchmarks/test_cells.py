from __future__ import annotations

from collections import Counter

from benchmarks.cells import Axes, Cell, expand, launches

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


def recommended(framework, device, model):
    return "fused" if (framework, model) == ("jax", "mlp") else "eager"


def test_every_point_once_with_modes_resolved():
    cells = expand(axes(), recommended)
    assert len(cells) == 6
    assert {cell.mode for cell in cells if cell.framework == "jax"} == {"fused", "eager"}


def test_a_mode_asked_for_twice_is_one_cell():
    cells = expand(axes(modes=(None, "eager", "eager")), recommended)
    assert len(cells) == len(set(cells)) == 7


def test_a_recipe_brings_its_own_batch_size():
    assert {cell.batch_size for cell in expand(axes(recipes=("cnn_32_64",), batch_sizes=(None,)), recommended)} == {64}


def test_rounds_keep_comparisons_together_and_give_each_cell_every_place():
    cells = expand(axes(), lambda *_: "eager")
    order = list(launches(cells, 3, seed=0))
    assert Counter(cell for _, cell in order) == dict.fromkeys(cells, 3)
    places = {cell: set() for cell in cells}
    for start in range(0, len(order), 3):
        block = order[start : start + 3]
        assert len({(number, cell.comparison()) for number, cell in block}) == 1
        for place, (_, cell) in enumerate(block):
            places[cell].add(place)
    assert all(found == {0, 1, 2} for found in places.values())


def test_the_order_is_the_seed_s():
    cells = expand(axes(), recommended)
    assert list(launches(cells, 3, 1)) == list(launches(cells, 3, 1))
    assert list(launches(cells, 3, 1)) != list(launches(cells, 3, 2))


def test_identity_covers_the_axes_and_what_else_decides():
    cell = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 2)
    other = Cell("torch", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 1)
    assert cell.identity(code="a") == cell.identity(code="a")
    assert len({cell.identity(code="a"), cell.identity(code="b"), other.identity(code="a")}) == 3
