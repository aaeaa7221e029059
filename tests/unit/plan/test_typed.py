import os
import re

import pytest

from adapters import networks
from adapters.recipes import RECIPES
from adapters.registry import FRAMEWORKS
from benchmarks.cli.display import _precision_words
from benchmarks.errors import UsageError, count, threads
from benchmarks.launch import probe
from benchmarks.machine.hardware import chosen
from benchmarks.plan import typed
from benchmarks.plan.typed import chosen_recipes

NAMES = ", ".join(FRAMEWORKS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nonexistent", f"unknown framework 'nonexistent'; known: {NAMES}"),
        ("TORCH", f"unknown framework 'TORCH'; did you mean torch? Known: {NAMES}"),
        ("numpi", f"unknown framework 'numpi'; did you mean numpy? Known: {NAMES}"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_what_was_meant(given, words):
    with pytest.raises(UsageError) as caught:
        probe.chosen_frameworks([given], ["cpu"])
    assert str(caught.value) == words


@pytest.mark.parametrize("given", [[""], [" ", ","]])
def test_an_option_that_is_there_and_empty_does_not_mean_everything(given):
    for read, what in (
        (lambda: probe.chosen_frameworks(given, ["cpu"]), "framework"),
        (lambda: typed.chosen_recipes(given, None), "model"),
        (lambda: typed.chosen_recipes(None, given), "recipe"),
        (lambda: typed.chosen_modes(given), "mode"),
        (lambda: typed.numbers(given, [1], "--threads", 4), "--threads"),
        (lambda: chosen(given), "device"),
    ):
        with pytest.raises(UsageError, match=f"an empty {what} was given"):
            read()


def test_what_is_left_out_is_the_default_and_a_last_comma_is_nothing():
    assert typed.chosen_modes(None) == [None]
    assert typed.chosen_modes(["eager,"]) == ["eager"]


def test_one_is_not_many():
    assert [count(n, "launch", "launches") for n in (0, 1, 2000)] == ["0 launches", "1 launch", "2,000 launches"]
    assert [threads(n) for n in (1, 2, None)] == ["1 thread", "2 threads", "None threads"]


def test_a_ratio_that_may_be_twice_as_much_is_not_known():
    assert _precision_words(1.669) == "ratios not known yet"
    assert _precision_words(0.0123) == "ratios known to 1.2 %"


@pytest.fixture
def file(tmp_path):
    """Write a network of the user's own; what is read is known in this test alone."""
    before = dict(RECIPES)

    def write(name, units=12, folder="."):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / f"{name}.toml"
        layers = f'{{ type = "Flatten" }}, {{ type = "Dense", units = {units} }}'
        path.write_text(f'name = "{name}"\nlayers = [{layers}]\n')
        return str(path)

    yield write
    for new in RECIPES.keys() - before.keys():
        del RECIPES[new]


@pytest.mark.fault(52)
def test_a_file_is_a_network_named_by_its_content_beside_ours(file):
    tiny, [mine] = file("tiny"), chosen_recipes([file("tiny")], None)
    assert re.fullmatch("tiny-[0-9a-f]{8}", mine)
    assert RECIPES[mine].model.outputs == 12
    assert chosen_recipes([f"mlp,{tiny}", tiny], None) == ["mlp", mine]
    assert chosen_recipes(None, [tiny, "mlp_tutorial"]) == [mine, "mlp_tutorial"]
    assert chosen_recipes([file("tiny", 13)], None) != [mine]


def test_modern_stands_for_three_networks():
    assert chosen_recipes(["modern,mlp"], None) == ["resnet", "vit", "lstm", "mlp"]


@pytest.mark.fault(52)
def test_names_that_would_mean_two_networks_are_refused(file):
    with pytest.raises(UsageError, match="two networks of one name, tiny; rename one"):
        chosen_recipes([file("tiny"), file("tiny", 13, "other")], None)
    with pytest.raises(UsageError, match=r"mlp\.toml: name 'mlp' is another network's, which is built in"):
        chosen_recipes([file("mlp")], None)
    assert chosen_recipes([str(networks.FOLDER / "mlp.toml")], None) == ["mlp"]  # the same


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, r"cannot read .*x\.toml: No such file or directory"),
        (lambda path: path.mkdir(), "not a regular file"),
        (os.mkfifo, "a pipe, not a regular file"),
        (lambda path: path.write_text("name = "), r"x\.toml: not TOML: "),
    ],
)
def test_what_is_no_file_of_a_network_is_one_line(tmp_path, make, words):
    make(tmp_path / "x.toml")
    with pytest.raises(UsageError, match=words) as caught:
        chosen_recipes([str(tmp_path / "x.toml")], None)
    assert str(caught.value).isprintable()


def test_arms_are_frameworks_of_a_release_or_a_label():
    assert typed.arms(["jax@0.7.2,jax", "torch@old_1,jax@keras-fit"]) == [
        "jax@0.7.2",
        "jax",
        "torch@old_1",
        "jax@keras-fit",
    ]
    assert typed.arms(None) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("jxa@0.7.2", "unknown framework 'jxa'; did you mean jax? Known: torch"),
        ("jax@", "framework 'jax@': expected jax@VERSION, such as jax@1.2.3"),
        ("jax@../up", "expected jax@VERSION"),
        ("jax@-b", "expected jax@VERSION"),
        ("jax@0.7.2@x", "expected jax@VERSION"),
    ],
)
def test_what_is_no_arm_is_one_sentence(given, words):
    with pytest.raises(UsageError) as error:
        typed.arms([given])
    assert words in str(error.value)
