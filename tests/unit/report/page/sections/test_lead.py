from __future__ import annotations

import pytest

from report.page.document import as_markdown, build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import lead
from report.results.load import load
from report.tables.compare import compare


def six(write_set, launches, **others):
    rows = [
        *launches(*(1000 + n for n in range(6)), framework="torch"),
        *(row for name, speeds in others.items() for row in launches(*speeds, framework=name)),
    ]
    return Inputs(load(write_set("six", *rows), PAGE_COLUMNS), [])


def test_the_title_says_who_is_fastest_and_whether_that_is_sure(write_set, launches):
    sure = six(write_set, launches, jax=[500 + n for n in range(6)])
    assert lead.title(sure) == "torch is fastest on mlp"
    assert next(lead.sentences(sure)).endswith("samples/s (± 0.2 %); jax 0.50 of it, slower.")
    unsure = six(write_set, launches, jax=[900, 400, 1500, 700, 1000, 600])
    assert lead.title(unsure).endswith("not distinguished from the next")


def test_title_sentence_order_and_ratios_agree_on_the_best(write_set, launches):
    """The median of jax is the higher one, its paired ratio to torch is below 1."""
    found = six(write_set, launches, jax=[1100, 1100, 1100, 1100, 500, 500])
    [group] = lead.table(found).groups
    assert [line.cells[0].text for line in group.lines] == ["torch", "jax"]
    assert group.lines[0].cells[3].text == "1"
    assert float(group.lines[1].cells[3].text) < 1
    assert lead.title(found) == "torch is ahead on mlp, not distinguished from the next"
    assert "of it, not distinguished" in next(lead.sentences(found))


def test_the_best_is_whom_no_paired_ratio_exceeds_where_launches_are_missing(write_set, launches):
    """The mean of torch is the higher one, as it lacks the round in which jax was slow."""
    [group] = lead.table(six(write_set, launches, jax=[*(1030 + n for n in range(6)), 10])).groups
    assert [line.cells[0].text for line in group.lines] == ["jax", "torch"]
    assert [line.cells[3].text for line in group.lines] == ["1", "0.971"]


def test_a_lead_is_not_sure_while_any_other_is_not_told_apart(write_set, launches):
    found = six(write_set, launches, jax=[800 + n for n in range(6)], numpy=[1500, 300, 1400, 350, 1300, 400])
    assert list(found.headline[0]["verdict"])[1:] == ["slower", "not distinguished"]
    assert lead.title(found).endswith("not distinguished from the next")
    assert next(lead.sentences(found)).endswith("jax 0.80 of it, slower; numpy 0.70 of it, not distinguished.")


def test_a_tie_is_called_one(write_set, launches):
    assert lead.title(six(write_set, launches, jax=[999 + n for n in range(6)])) == "torch ties for the lead on mlp"


MODES = {("torch", "eager"): 1000, ("torch", "compiled"): 1500, ("jax", "compiled"): 500, ("jax", "fused"): 900}


@pytest.fixture
def modes(write_set, launches):
    """Two frameworks in two modes each, one of which they share."""
    speeds = {key: [speed + n for n in range(6)] for key, speed in MODES.items()}
    rows = [row for (name, mode), found in speeds.items() for row in launches(*found, framework=name, mode=mode)]
    return Inputs(load(write_set("modes", *rows), PAGE_COLUMNS), [])


def test_each_framework_is_shown_in_its_best_mode_and_beside_all_that_have_the_same(modes):
    comparison, _, same = lead.parts(modes)
    [group] = lead.table(modes).groups
    assert [line.cells[1].text for line in group.lines] == ["compiled", "fused"]
    assert [line.hidden for line in comparison.table.groups[0].lines] == [False, True, False, True]
    assert same.caption == "The same with all in one mode, compiled"
    assert [[cell.text for cell in line.cells[1:4]] for line in same.groups[0].lines] == [
        ["compiled", "1,502", "1"],
        ["compiled", "502", "0.33"],
    ]


def test_what_is_left_when_the_first_are_left_out_is_judged_by_itself(modes):
    """As compare judges a set that lacks them: the page's script shows it once the filter hides them."""
    lines = modes.comparisons[0]
    kept = lines.iloc[1:]
    rows = modes.own.merge(kept[["framework", "mode"]], on=["framework", "mode"])
    alone = compare(rows)
    for label, ratio, verdict in zip(kept.index[1:], alone["ratio"][1:], alone["verdict"][1:], strict=True):
        found = modes.versus[label][1]
        assert found == (pytest.approx(ratio), verdict)
        assert verdict == "slower"


def test_a_framework_that_failed_is_named_beside_the_only_one_with_a_speed(write_set, launches, make):
    failed = make(framework="torch", status="crashed", reason="SIGSEGV", train_samples_per_s=None)
    found = Inputs(load(write_set("failed", *launches(5.0, framework="numpy"), failed), PAGE_COLUMNS), [])
    assert lead.title(found) == "numpy alone has a speed on mlp"
    assert next(lead.sentences(found)).startswith("mlp, batch 100: numpy 5 samples/s; no speed of torch; provisional")


def test_an_interval_of_two_launches_is_none(write_set, launches):
    found = Inputs(load(write_set("two", *launches(13, 302319)), PAGE_COLUMNS), [])
    [comparison, *_] = lead.parts(found)
    assert comparison.table.groups[0].lines[0].cells[2].note == "n = 2"
    assert "low" not in comparison.chart.records[0]


def test_a_busy_machine_comes_before_who_is_fastest(write_set, launches):
    noisy = {"flags": ["noisy"], "foreign_share": 0.4, "canary_before_s": [1.0], "canary_after_s": [1.01]}
    rows = [*launches(1, 2, 3), *launches(5, 6, framework="jax", **noisy)]
    found = Inputs(load(write_set("busy", *rows), PAGE_COLUMNS), [])
    warning = (
        "2 of 5 launches were noisy: 2 by other processes; repeat when the machine is idle; "
        "`python -m benchmarks info check` shows what is busy."
    )
    assert found.warning == warning
    assert lead.title(found) == "jax leads on mlp, provisional"
    assert as_markdown(found).startswith(warning.replace("`", "\\`"))
    page = build(found)
    assert page.index("launches were noisy") < page.index("<h1")
