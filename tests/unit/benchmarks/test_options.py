import pytest

from benchmarks import options
from benchmarks.console import known
from benchmarks.counting import count, threads
from benchmarks.devices import chosen
from benchmarks.errors import UsageError

NAMES = "torch, tensorflow, paddle, mxnet, jax, numpy"


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
        options.chosen_frameworks([given], ["cpu"])
    assert str(caught.value) == words


@pytest.mark.parametrize("given", [[""], [" ", ","]])
def test_an_option_that_is_there_and_empty_does_not_mean_everything(given):
    for read, what in (
        (lambda: options.chosen_frameworks(given, ["cpu"]), "framework"),
        (lambda: options.chosen_recipes(given, None), "model"),
        (lambda: options.chosen_recipes(None, given), "recipe"),
        (lambda: options.chosen_modes(given), "mode"),
        (lambda: options.numbers(given, [1], "--threads", 4), "--threads"),
        (lambda: chosen(given), "device"),
    ):
        with pytest.raises(UsageError, match=f"an empty {what} was given"):
            read()


def test_what_is_left_out_is_the_default_and_a_last_comma_is_nothing():
    assert options.chosen_modes(None) == [None]
    assert options.chosen_modes(["eager,"]) == ["eager"]


def test_one_is_not_many():
    assert [count(n, "launch", "launches") for n in (0, 1, 2000)] == ["0 launches", "1 launch", "2,000 launches"]
    assert [threads(n) for n in (1, 2, None)] == ["1 thread", "2 threads", "None threads"]


def test_a_ratio_that_may_be_twice_as_much_is_not_known():
    assert known(1.669) == "ratios not known yet"
    assert known(0.0123) == "ratios known to 1.2 %"
