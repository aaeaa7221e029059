import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plan.data import readers
from benchmarks.plan.data.readers import read_json
from tests.unit.conftest import examples


@given(
    counts=st.tuples(*[st.integers(1, 3)] * 3),
    indent=st.sampled_from([None, 0, 1]),
    gz=st.booleans(),
    block=st.sampled_from([1 << 18, 997, 5000]),
)
@settings(max_examples=examples(40), deadline=None)
def test_round_trip(tmp_path_factory, make, counts, indent, gz, block):
    parts = [make.digits(count, seed) for seed, count in enumerate(counts)]
    data = json.dumps(json.loads(make.json(*parts)), indent=indent).encode()
    path = tmp_path_factory.mktemp("json") / "mnist.json.gz"
    path.write_bytes(gzip.compress(data) if gz else data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK_BYTES", block)
        train, test = read_json(path)
    arrays = train.images, train.labels, test.images, test.labels
    for read, wanted in zip(arrays, (*parts[0], *parts[2]), strict=True):
        np.testing.assert_array_equal(read, wanted)
        assert read.dtype == np.uint8


def test_pixels_are_rounded(tmp_path, make):
    text = make.json(make.digits(1), make.digits(1), make.digits(1)).decode()
    lists = json.loads(text)
    lists[0][0][0][:4] = [0.0019, 0.0020, 0.9999, 1]  # 0.48, 0.51, 254.97, 255
    path = tmp_path / "m.json"
    path.write_text(json.dumps(lists))
    assert read_json(path)[0].images[0].ravel()[:4].tolist() == [0, 1, 255, 255]


def edit(make, change):
    lists = json.loads(make.json(make.digits(2), make.digits(2), make.digits(2)))
    return json.dumps(change(lists) or lists)


def set_at(value, *place):
    def change(lists):
        for step in place[:-1]:
            lists = lists[step]
        lists[place[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_at(18, 0, 0, 1, 5), ("pixel 5", "found 18")),
        (set_at(-0.1, 2, 0, 1, 5), ("pixel 5", "found -0.1")),
        (set_at(1e400, 0, 0, 1, 5), ("numbers",)),
        (set_at(10**400, 0, 0, 1, 5), ("pixel 5",)),
        (set_at("x", 0, 0, 1, 5), ("numbers",)),
        (set_at(float("nan"), 0, 0, 1, 5), ("numbers",)),
        (set_at(True, 0, 0, 1, 5), ("numbers",)),
        (set_at(None, 1, 0, 1, 5), ("numbers",)),
        (set_at({}, 1, 0, 1, 5), ("numbers",)),
        (set_at([], 0, 0, 1, 5), ("a list of numbers",)),
        (set_at([0.5] * 783, 0, 0, 1), ("784 pixels", "found 783")),
        (set_at([], 0, 0, 1), ("784 pixels", "found 0")),
        (set_at([], 0, 0), ("offset 0",)),
        (set_at([], 0), ("offset",)),
        (set_at(10, 0, 1, 1), ("label 1", "label 0-9", "found 10")),
        (set_at(-1, 0, 1, 1), ("label 1", "found -1")),
        (set_at(3.0, 0, 1, 1), ("label 1", "found 3.0")),
        (set_at([1], 0, 1), ("2 labels", "found 1")),
        (set_at([1, 2, 3], 1, 1), ("2 labels", "found 3")),
        (set_at([], 2, 1), ("2 labels", "found 0")),
        (lambda lists: lists[:2], ("offset",)),
        (lambda lists: [*lists, lists[0]], ("offset",)),
        (lambda lists: {"train": lists}, ("offset",)),
        (lambda _: [[[]]], ("offset",)),
        (lambda _: [5], ("offset",)),
        (lambda _: "text", ("offset 0",)),
    ],
)
def test_hostile_lists(tmp_path, make, refused, change, words):
    path = tmp_path / "mnist.json"
    path.write_text(edit(make, change))
    refused(lambda: read_json(path), path, "expected", *words)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "]",
        lambda text: text + "x",
        lambda text: text + ", [1]",
        lambda text: text[:-1],
        lambda text: text[:-3],
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace("], [", "] [", 1),
        lambda text: text.replace("], [", "],, [", 1),
        lambda text: text.replace(", ", " ", 1),
        lambda text: text.replace(", ", ",, ", 1),
        lambda text: text.replace("]", ",]", 1),
        lambda text: "\ufeff" + text,
        lambda text: "[" + text + "]",
        lambda text: text.replace("[[[[", "[[[[" + "1" * 5000 + ", ", 1),
        lambda text: "[" * 100_000,
        lambda text: "[" * 100_000 + "]" * 100_000,
    ],
)
def test_hostile_text(tmp_path, make, refused, change):
    path = tmp_path / "mnist.json"
    path.write_text(change(edit(make, lambda _: None)), encoding="utf-8")
    refused(lambda: read_json(path), path, "expected")


def test_the_offset_is_that_of_the_list(tmp_path, make, refused):
    text = make.json(make.digits(2), make.digits(2), make.digits(2)).decode()
    at = text.rindex("[")  # the test labels; the list counts from behind the bracket that closes the images
    path = tmp_path / "mnist.json"
    path.write_text(text[: at + 1] + "99, " + text[at + 1 :])
    refused(lambda: read_json(path), f"offset {at - 2}, label 0:")


def test_more_images_than_the_bound(tmp_path, make, refused, monkeypatch):
    monkeypatch.setattr(readers, "MAX_IMAGES", 2)
    path = tmp_path / "mnist.json"
    path.write_bytes(make.json(make.digits(2), make.digits(3), make.digits(1)))
    refused(lambda: read_json(path), "at most 2 images")


@pytest.mark.fault(12)
def test_truncated_gz(tmp_path, make, refused):
    path = tmp_path / "mnist.json.gz"
    whole = gzip.compress(edit(make, lambda _: None).encode())
    path.write_bytes(whole[: len(whole) // 2])
    refused(lambda: read_json(path), path, "compressed file")
