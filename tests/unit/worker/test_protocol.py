"""Every request and answer, its fields one by one: valid, missing, of another type, unknown; on both sides."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, get_args, get_origin, is_typeddict

import pytest

from benchmarks.launch import outcome, process
from benchmarks.launch.process import Place
from benchmarks.machine.memory import MemoryLimit
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker import __main__
from benchmarks.worker.protocol import (
    ANSWERS,
    REQUESTS,
    ImageRequest,
    MessageInvalid,
    Progress,
    checked_image,
    checked_request,
)
from benchmarks.worker.validate import _fields, mistake

PLAIN = {str: "word", int: 7, float: 0.5, bool: True, NoneType: None, object: "anything"}
KNOWN = {"status": "ok", "device": "cpu"}  # texts of which a check takes a few alone


def example(kind, name=""):
    """Return a valid JSON value of a type."""
    form, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return {field: example(type_, field) for field, (type_, _) in _fields(kind).items()}
    if form in (Annotated, UnionType):
        return example(parts[0], name)
    if form is Literal:
        return parts[0]
    if form is list:
        return [example(parts[0])]
    if form is dict:
        return {"key": example(parts[1])}
    return KNOWN.get(name, PLAIN[kind])


WRONG = {
    str: [None, True, 7, [], {}],
    int: [None, True, 0.5, "word", 2**63, [], {}],
    float: [None, True, "word", nan, inf, [], {}],
    bool: [None, 0, "word", [], {}],
    object: [],
}


def others(kind):
    """Return JSON values that are not of a type; by no code of the product."""
    form, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return [None, 7, "word", []]
    if form is Annotated:
        bounds = {int: [0, -1], float: [0, -0.5], str: ["gpu:1", ""]}
        return others(parts[0]) + bounds.get(parts[0], [[]])
    if form is UnionType:
        return [value for value in others(parts[0]) if value is not None or NoneType not in parts]
    if form is Literal:
        return [None, 7, "word", [], {}]
    if form is list:
        return [None, 7, "word", {}, *([value] for value in others(parts[0]))]
    if form is dict:
        return [None, 7, "word", [], *({"key": value} for value in others(parts[1]))]
    return WRONG[kind]


def cases(messages):
    """Yield (message's name, way to the field, its type, whether it is required) for all fields, inner ones too."""
    for name, kind in messages.items():
        yield from ((name, *found) for found in within(kind))


def within(kind, path=()):
    form, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        for field, (type_, required) in _fields(kind).items():
            yield (*path, field), type_, required
            yield from within(type_, (*path, field))
    elif form in (Annotated, UnionType):
        yield from within(parts[0], path)
    elif form is list:
        yield from within(parts[0], (*path, 0))
    elif form is dict:
        yield from within(parts[1], (*path, "key"))


def holder(message, path):
    """Return the object of a message that has the last field of a path."""
    for name in path[:-1]:
        message = message[name]
    return message


def refused_by_harness(request, words):
    """The harness starts no process for a request that is not valid."""
    with pytest.raises(MessageInvalid, match="the request ") as refused, MemoryLimit().watch() as watch:
        process.start(Place(Path("/no/such/python"), {}, (0,)), request, watch)
    assert words in str(refused.value)


def refused_by_worker(request, words):
    """The worker answers in one line that names the field."""
    answer = __main__._perform(json.dumps(request), 0)
    assert answer["status"] == "invalid"
    assert words in answer["reason"]
    assert "\n" not in answer["reason"]


@pytest.mark.parametrize("task", REQUESTS)
def test_a_request_of_each_task_is_valid(task):
    request = example(REQUESTS[task])
    assert request["task"] == task
    assert checked_request(request) is request


@pytest.mark.parametrize(("task", "path", "kind", "required"), [*cases(REQUESTS)])
def test_a_field_of_a_request_is_checked_on_both_sides(task, path, kind, required):
    request = example(REQUESTS[task])
    assert others(kind)
    for value in others(kind):
        holder(request, path)[path[-1]] = value
        refused_by_harness(request, path[-1])
        refused_by_worker(request, path[-1])
    del holder(request, path)[path[-1]]
    if required:
        refused_by_harness(request, path[-1])
        refused_by_worker(request, path[-1])
    else:
        assert checked_request(request)


@pytest.mark.parametrize("task", REQUESTS)
def test_a_request_has_no_other_field(task):
    request = {**example(REQUESTS[task]), "more": 1}
    refused_by_harness(request, "unknown field 'more'")
    refused_by_worker(request, "unknown field 'more'")


@pytest.mark.parametrize("request_", [None, [], "probe", {}, {"task": "nothing"}, {"task": ["probe"]}])
def test_a_request_of_no_task_is_refused(request_):
    refused_by_harness(request_, "no valid 'task'")
    refused_by_worker(request_, "no valid 'task'")


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_of_each_kind_is_read(kind):
    answer = example(ANSWERS[kind])
    assert outcome.read(json.dumps(answer).encode(), kind) == answer


@pytest.mark.parametrize(("name", "path", "kind", "required"), [*cases(ANSWERS)])
def test_a_field_of_an_answer_is_checked(name, path, kind, required):
    answer = example(ANSWERS[name])
    for value in others(kind):
        holder(answer, path)[path[-1]] = value
        refused(answer, name, "not JSON" if any(word in repr(value) for word in ("inf", "nan")) else path[-1])
    del holder(answer, path)[path[-1]]
    if required:
        refused(answer, name, path[-1])
    else:
        assert outcome.read(json.dumps(answer).encode(), name) == answer


def refused(answer, name, words):
    with pytest.raises(outcome.AnswerInvalid) as invalid:
        outcome.read(json.dumps(answer).encode(), name)
    assert words in str(invalid.value)


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_has_no_other_field_however_it_ended(kind):
    for answer in ({**example(ANSWERS[kind]), "more": 1}, {"status": "failed", "reason": "no luck", "more": 1}):
        with pytest.raises(outcome.AnswerInvalid, match="unknown field 'more'"):
            outcome.read(json.dumps(answer).encode(), kind)


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_not_ok_may_lack_what_it_has_not_measured(kind):
    failed = {"status": "failed", "reason": "no luck"}
    assert outcome.read(json.dumps(failed).encode(), kind) == failed


@pytest.mark.parametrize("line", [ImageRequest, Progress])
def test_lines_are_checked_field_by_field(line):
    assert mistake(line, example(line)) == ""
    for name, (kind, _) in _fields(line).items():
        assert all(name in mistake(line, {**example(line), name: value}) for value in others(kind))
        assert mistake(line, {key: value for key, value in example(line).items() if key != name}) == f"lacks {name!r}"
    assert mistake(line, {**example(line), "more": 1}) == "has an unknown field 'more'"


def test_an_image_that_is_none_is_refused():
    with pytest.raises(MessageInvalid, match="the line has no valid 'image': 7"):
        checked_image({"image": 7})


def test_a_request_holds_a_cell_as_the_plan_has_it():
    cell = Cell("numpy", "mlp", "mnist-5k", "cpu", 100, "eager", "float32", 2)
    data = Prepared("some", "0" * 64, Path("data"), 40, 10, "", (1, 28, 28), 10)
    request = process.cell_request(cell, data, Path("inputs")) | {"task": "evaluate", "weights": {}, "outputs": {}}
    assert checked_request(request) is request


def test_a_mistake_names_the_field_by_its_way_and_shows_little():
    request = example(REQUESTS["prove"])
    request["proofs"][0]["cell"]["threads"] = "x" * 1000
    assert mistake(REQUESTS["prove"], request).startswith("has no valid 'proofs[0].cell.threads': 'xxx")
    assert len(mistake(REQUESTS["prove"], request)) < 200
