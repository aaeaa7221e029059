from __future__ import annotations

from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import headline
from report.results.load import load, records


def six(write_set, launches, **others):
    rows = [
        *launches(*(1000 + n for n in range(6)), framework="torch"),
        *(row for name, speeds in others.items() for row in launches(*speeds, framework=name)),
    ]
    return Inputs(load(write_set("six", *rows), PAGE_COLUMNS), [])


def test_the_title_says_who_is_fastest_and_whether_that_is_sure(write_set, launches):
    sure = six(write_set, launches, jax=[500 + n for n in range(6)])
    assert headline.title(sure) == "torch is fastest on mlp"
    assert "2.00 times as many as jax" in next(headline.sentences(sure))
    assert headline.title(six(write_set, launches, jax=[900, 400, 1500, 700, 1000, 600])).endswith("not yet surely")


def test_title_sentence_order_and_ratios_agree_on_the_best(write_set, launches):
    """The median of jax is the higher one, its paired ratio to torch is below 1."""
    found = six(write_set, launches, jax=[1100, 1100, 1100, 1100, 500, 500])
    [group] = headline.table(found).groups
    assert [line.cells[0].text for line in group.lines] == ["torch", "jax"]
    assert group.lines[0].cells[3].text == "1.000"
    assert float(group.lines[1].cells[3].text) < 1
    assert headline.title(found) == "torch leads on mlp, not yet surely"
    assert "torch and jax are not told apart" in next(headline.sentences(found))


def test_the_best_is_whom_no_paired_ratio_exceeds_where_launches_are_missing(write_set, launches):
    """The mean of torch is the higher one, as it lacks the round in which jax was slow."""
    [group] = headline.table(six(write_set, launches, jax=[*(1030 + n for n in range(6)), 10])).groups
    assert [line.cells[0].text for line in group.lines] == ["jax", "torch"]
    assert [line.cells[3].text for line in group.lines] == ["1.000", "0.971"]


def test_a_lead_is_not_sure_while_any_other_is_not_told_apart(write_set, launches):
    found = six(write_set, launches, jax=[800 + n for n in range(6)], numpy=[1500, 300, 1400, 350, 1300, 400])
    assert list(found.headline[0]["verdict"])[1:] == ["slower", "not distinguished"]
    assert headline.title(found).endswith("not yet surely")
    assert "torch and numpy are not told apart" in next(headline.sentences(found))


def test_only_of_several_modes_one_is_the_fastest(write_set, launches):
    one, fused = launches(1000.0), launches(1500.0, mode="fused")
    captions = [
        headline.table(Inputs(load(folder, PAGE_COLUMNS), records(folder))).caption
        for folder in (
            write_set("one", *one),
            write_set("several", *one, *fused),
            write_set("asked", *one, requested={"modes": "recommended"}),
        )
    ]
    assert captions == [
        f"Each framework in {mode}" for mode in ("the mode measured", "its fastest mode", "its recommended mode")
    ]


def test_a_tie_is_called_one(write_set, launches):
    assert headline.title(six(write_set, launches, jax=[999 + n for n in range(6)])) == "torch ties for the lead on mlp"


def test_each_framework_is_shown_in_its_fastest_mode_beside_the_mode_most_have(write_set, launches):
    rows = [
        *launches(1000, 1000, framework="torch", mode="eager"),
        *launches(1500, 1500, framework="torch", mode="compiled"),
        *launches(500, 500, framework="jax", mode="compiled"),
        *launches(900, 900, framework="jax", mode="fused"),
    ]
    made = headline.table(Inputs(load(write_set("modes", *rows), PAGE_COLUMNS), []))
    [group] = made.groups
    assert "like for like: compiled" in group.title
    assert [line.cells[1].text for line in group.lines] == ["compiled", "fused"]
    assert [line.cells[5].text for line in group.lines] == ["1,500", "500"]
    assert [line.cells[5].note for line in group.lines] == ["1.000", "0.333"]


def test_a_busy_machine_comes_before_who_is_fastest(write_set, launches):
    noisy = {"flags": ["noisy"], "foreign_share": 0.4, "canary_before_s": [1.0], "canary_after_s": [1.01]}
    rows = [*launches(1, 2, 3), *launches(5, 6, framework="jax", **noisy)]
    found = Inputs(load(write_set("busy", *rows), PAGE_COLUMNS), [])
    assert headline.title(found) == (
        "2 of 5 launches were noisy: 2 by other processes; repeat when the machine is idle; "
        "`python -m benchmarks info check` shows what is busy. jax leads on mlp, not yet surely"
    )
