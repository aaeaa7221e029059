from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plan.cells import Cell, blocks, launches
from benchmarks.sweep.dask.plan import Plan
from tests.unit.conftest import examples


def cells(frameworks=("a", "b"), batch_sizes=(1, 2, 3)):
    return [
        Cell(name, "linear", "mnist-5k", "cpu", size, "eager", "float32", 1)
        for size in batch_sizes
        for name in frameworks
    ]


def plan(rounds=3, seeds=2, **axes):
    return Plan(blocks(cells(**axes), rounds, seeds, 0))


def measured(plan, member):
    """Let a member measure its next block; return (task, round, batch size, attempt), None where nothing is left."""
    series = plan.take(member)
    if series is None:
        return None
    _, block = series.next
    for planned in block.launches(series.attempt):
        series.reported[planned.round, planned.cell] = {}
    series.done += 1
    plan.put_back(member)
    return block.task, block.round, block.cells[0].batch_size, series.attempt


def test_one_machine_measures_in_the_order_of_a_sweep_on_one_machine():
    one, made = plan(), []
    while found := measured(one, "m1"):
        made.append(found[:3])
    alone = list(dict.fromkeys((p.task, p.round, p.cell.batch_size) for p in launches(cells(), 3, 2, 0)))
    assert made == alone
    assert one.over


def test_a_comparison_stays_where_it_began():
    both, holders = plan(batch_sizes=range(1, 9)), {}
    turns = random.Random(1)
    while not both.over:
        member = turns.choice(["m1", "m2"])
        if found := measured(both, member):
            task, _, size, _ = found
            holders.setdefault((task, size), set()).add(member)
    assert {len(members) for members in holders.values()} == {1}
    assert len(set.union(*holders.values())) == 2


def test_each_comparison_s_rounds_are_balanced_on_whichever_machines_they_are():
    both, after = plan(rounds=4, seeds=0, frameworks="abcd"), {}
    turns = random.Random(2)
    while not both.over:
        if series := both.take(member := turns.choice(["m1", "m2"])):
            _, block = series.next
            after.setdefault(block.comparison, Counter()).update(itertools.pairwise(block.cells))
            series.done += 1
            both.put_back(member)
    assert len(after) == 3
    assert all(set(counts.values()) == {1} and len(counts) == 12 for counts in after.values())


def test_what_a_lost_machine_began_begins_anew_and_what_it_had_ended_does_not():
    both = plan(rounds=2, seeds=0)
    for _ in range(4):
        measured(both, "m1")  # all three comparisons once, the first of them twice
    both.lose("m1")
    made = []
    while found := measured(both, "m2"):
        made.append(found)
    first = [size for _, _, size, _ in made]
    assert len(made) == 4
    assert {attempt for *_, attempt in made} == {2}
    assert len(set(first)) == 2
    assert both.over


def test_a_block_under_way_is_lost_with_its_machine_and_its_rows_are_open():
    one = plan(rounds=2, seeds=0, batch_sizes=(1,))
    series = one.take("m1")
    _, block = series.next
    first = next(iter(block.launches(series.attempt)))
    series.reported[first.round, first.cell] = {}
    one.lose("m1")
    assert len(list(series.open())) == 3
    assert measured(one, "m2") == ("speed", 0, 1, 2)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_series_that_stopped_needs_no_more(stopped):
    one = plan(rounds=5, seeds=0, batch_sizes=(1,))
    series = one.take("m1")
    series.done, series.stopped = 1, stopped
    one.put_back("m1")
    assert one.over == stopped


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["m1", "m2", "m3"]), st.sampled_from(["measure"] * 6 + ["lose"])), max_size=80)
)
def test_whoever_comes_and_goes_every_launch_is_made_once_in_its_last_attempt(events):
    one = plan(batch_sizes=range(1, 5))
    for member, event in events:
        if event == 0:
            one.lose(member)
        else:
            measured(one, member)
    while measured(one, "last"):
        pass
    for member in ("m1", "m2", "m3"):
        while measured(one, member):
            pass
    assert one.over
    for series in one.series:
        assert series.done == len(series.blocks)
        assert series.attempt >= 1
        assert list(series.open()) == []
