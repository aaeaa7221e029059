from __future__ import annotations

import pytest

from benchmarks.errors import SchemaError
from benchmarks.record.schema import LINES, valid
from tests.kept import read_file
from tests.unit.known_lines import RECORDS

WRONG = {"str": 5, "int": "5", "float": "x", "strings": [5], "ints": [0.5], "object": [], "objects": [5]}
FIELDS = [(kind, column) for kind, columns in LINES.items() for column in columns]
BROKEN = [  # (kind, field, a value of the right type that means nothing)
    ("run", "frameworks", {"torch-cpu": 5}),
    ("run", "frameworks", {"torch-cpu": {"versions": {"torch": 2}}}),
    ("run", "ceilings", [{"device": "cpu"}]),
    ("run", "ceilings", [{"device": "cpu", "dtype": "float32", "threads": 2, "bandwidths": [[1.0]]}]),
    ("run", "ceilings", [{"device": "cpu", "dtype": "float32", "threads": 2, "bandwidths": [[1.0, 0.0]]}]),
    ("run", "machine", {"a": [[[[[[[1]]]]]]]}),
    ("run", "machine", {"a": 10**30}),
    ("run", "engine", {"members": []}),
    ("end", "wall_s", {"import": None}),
    ("stop", "rounds", -1),
    ("stop", "half_width", -0.5),
    ("proof", "lockstep", "maybe"),
    ("proof", "verdict", {"by_step": {"one": 0.0}}),
    ("proof", "verdict", {"by_step": {"٣": 0.0}}),
    ("proof", "verdict", {"by_step": {"9" * 5000: 0.0}}),
    ("proof", "verdict", {"by_step": {"1": None}}),
    ("dataset", "train_counts", [1]),
    ("dataset", "test_counts", [1] * 1001),
    ("dataset", "channels", 0),
    ("dataset", "test_counts", [-1] * 10),
    ("dataset", "height", 0),
    ("network", "declaration", {"name": "tiny", "layers": []}),
    ("image", "index", -1),
    ("image", "label", 1000),
]


@pytest.mark.parametrize("kind", RECORDS)
def test_a_whole_record_is_as_it_was(kind):
    assert valid(kind, RECORDS[kind]) == RECORDS[kind]
    assert {column.name for column in LINES[kind]} == set(RECORDS[kind])


@pytest.mark.parametrize(("kind", "column"), FIELDS, ids=[f"{kind} {column.name}" for kind, column in FIELDS])
def test_a_field_of_the_wrong_type_is_named(kind, column):
    with pytest.raises(SchemaError, match=f"{kind} column '{column.name}'"):
        valid(kind, {**RECORDS[kind], column.name: WRONG[column.kind]})
    absent = {name: value for name, value in RECORDS[kind].items() if name != column.name}
    if column.required:
        with pytest.raises(SchemaError, match="lacks required"):
            valid(kind, absent)
    else:
        assert valid(kind, absent | {column.name: None}) == absent


@pytest.mark.parametrize(("kind", "name", "value"), BROKEN)
def test_a_value_that_means_nothing_is_refused_in_a_short_line(kind, name, value):
    with pytest.raises(SchemaError, match=name) as caught:
        valid(kind, {**RECORDS[kind], name: value})
    assert len(str(caught.value)) < 200


def test_fields_of_a_newer_program_are_no_error():
    found = valid("end", {**RECORDS["end"], "new": {"a": [1]}, "deep": [[[[[[[1]]]]]]], "huge": 10**30})
    assert found == {**RECORDS["end"], "new": {"a": [1]}}


def test_half_a_surrogate_pair_is_written_out():
    assert valid("run", {"commit": "\ud800", "machine": {"\udc00": ["\udc01"]}}) == {
        "commit": "\\ud800", "machine": {"\\udc00": ["\\udc01"]},
    }  # fmt: skip


def test_an_unknown_kind_is_named_in_a_few_letters():
    with pytest.raises(SchemaError, match="unknown kind 'xxx") as caught:
        valid("x" * 1000, {})
    assert len(str(caught.value)) < 100


@pytest.mark.fault(28)
@pytest.mark.parametrize("folder", ["reference", "curves"])
def test_every_line_of_the_kept_results_is_valid(folder):
    from benchmarks.machine.environments import ROOT

    paths = sorted((ROOT / "results" / folder).glob("*.jsonl"))
    assert paths
    for path in paths:
        found = read_file(path)
        assert found.problems == []
