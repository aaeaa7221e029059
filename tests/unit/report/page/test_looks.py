"""Releases of a framework look alike enough to belong together, and different enough to be told apart."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from adapters.registry import FRAMEWORKS, record
from report.page.looks import looks, signs

ARMS = {"jax": "0.10.2", "jax@0.4.38": "0.4.38", "jax@0.7.2": "0.7.2", "jax@old": "0.6.0", "torch@2.12.0": "2.12.0"}
WRAPPED = {"torch": "2.13.0", "torch@keras-fit": "2.13.0", "torch@lightning": "2.13.0"}


def rows(arms):
    return pd.DataFrame({"framework": list(arms), "framework_version": list(arms.values())}).astype("string")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_three_releases_differ_in_line_and_marker_and_colour_and_keep_their_framework_s_shape(framework):
    arms = {framework: "3", f"{framework}@2": "2", f"{framework}@1": "1"}
    found = looks(rows(arms))
    mine = [found[arm] for arm in arms]
    for one, other in itertools.combinations(mine, 2):
        assert one.dash != other.dash
        assert one.fill != other.fill
        assert one.colour != other.colour
    assert len({(one.shape, one.sign) for one in mine}) == 1


def test_steps_go_by_release_from_the_pinned_one():
    found = looks(rows(ARMS))
    assert found["jax"].colour == record("jax").look.colour
    assert [found[arm].dash for arm in ("jax@0.7.2", "jax@old", "jax@0.4.38")] == [
        (4, 7),
        (4, 2, 4, 7),
        (4, 2, 4, 2, 4, 7),
    ]
    assert vars(found["torch@2.12.0"]).items() >= vars(record("torch").look).items()  # there is no other


def test_wrappers_are_told_apart_from_their_framework_and_each_other():
    found = looks(rows(WRAPPED))
    assert len({found[arm].dash for arm in WRAPPED}) == len({found[arm].fill for arm in WRAPPED}) == 3


def test_every_framework_has_a_look_without_rows_and_one_that_is_unknown_too():
    found = looks(rows({}))
    assert set(found) == {"", *FRAMEWORKS}
    assert {one.fill for one in found.values()} == {1}


def test_a_name_out_of_a_row_cannot_write_a_rule():
    hostile = 'jax@"] { } body { display: none } [x="'
    found = looks(rows({hostile: "1", "jax@1\n": "1", "other@1": "1", "jax": "2"}))
    assert set(found) == {"", *FRAMEWORKS}
    assert "display" not in signs(found)


def test_a_rule_for_a_release_comes_after_its_framework_s_which_is_as_strong():
    text = signs(looks(rows(ARMS)))
    assert text.index('[data-framework^="jax@"]') < text.index('[data-framework="jax@0.7.2"]')
    [line] = [line for line in text.splitlines() if '"jax@0.7.2"' in line]
    assert "currentColor" not in line  # which within a rule of the colour is another
    assert "-webkit-text-stroke" in line
