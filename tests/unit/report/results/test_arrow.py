"""Both ways of reading a file, whole blocks and line by line, give the same rows and the same problems."""

from __future__ import annotations

import io
import json
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.record import schema, store
from benchmarks.record.schema import SCHEMA_VERSION
from report.results import arrow
from tests.kept import read_file
from tests.unit.conftest import examples


def seal(body: str | bytes, mark: bytes = b', "checksum": "') -> bytes:
    """Return a line with the right checksum, whatever is in it."""
    data = body.encode() if isinstance(body, str) else body
    return data + mark + store._checksum(data).encode() + b'"}'


def line(row, **changes) -> bytes:
    return seal(json.dumps({"kind": "row", **row, **changes})[:-1])


def put(text: str):
    """Return a maker of lines with this JSON inside and the right checksum."""
    return lambda row: seal(json.dumps({"kind": "row", **row})[:-1] + ", " + text)


ODD = {  # lines, by what is odd in them
    "older version": lambda row: line(row, schema_version=SCHEMA_VERSION - 1),
    "another kind": lambda row: seal(json.dumps({"kind": "stop", "schema_version": SCHEMA_VERSION, "n": 1})[:-1]),
    "unknown kind": lambda row: seal(json.dumps({"kind": "rows", **row})[:-1]),
    "newer version": lambda row: line(row, schema_version=99),
    "damaged": lambda row: line(row).replace(b'"mlp"', b'"mlq"', 1),
    "cut": lambda row: line(row)[:-9],
    "empty": lambda row: b"",
    "no UTF-8": lambda row: b"\xff" + line(row),
    "a mark before": lambda row: b"\xef\xbb\xbf" + line(row),
    "too long": lambda row: line(row, reason="x" * store.MAX_LINE_BYTES),
    "key twice": put('"seed": 1'),
    "null key twice": put('"loss": null, "loss": 1.0'),
    "unknown column": lambda row: line(row, colour="red"),
    "unknown column twice": put('"colour": 1, "colour": 2'),
    "unknown object": put('"colour": {"checksum": "0123456789abcdef"}'),
    "NaN": put('"loss": NaN'),
    "infinity": put('"loss": -Infinity'),
    "NaN in a list": put('"train_chunk_s": [1.0, NaN]'),
    "too large for a float": put('"loss": 1e999'),
    "an integer too large for a float": put('"loss": 1' + 400 * "0"),
    "a digit too many": put('"latency_steps": ' + 5000 * "9"),
    "beyond 64 bits": put('"latency_steps": 9223372036854775808'),
    "a bool for an int": put('"latency_steps": true'),
    "a bool for a float": put('"loss": true'),
    "a bool in a list": put('"train_chunk_s": [true]'),
    "a float for an int": put('"latency_steps": 1.0'),
    "a power for an int": put('"latency_steps": 1e2'),
    "text for an int": put('"latency_steps": "1"'),
    "a number for text": put('"reason": 1'),
    "a number for a list": put('"train_chunk_s": 1.0'),
    "an object for a list": put('"train_chunk_s": {}'),
    "null in a list": put('"train_chunk_s": [null]'),
    "null in texts": put('"flags": [null]'),
    "an integer among floats": put('"train_chunk_s": [1, 2.5, -0]'),
    "an integer for a float": put('"loss": 123456789012345678901234567890'),
    "a float in integers": put('"confusion": [1, 2.0]'),
    "out of range": put('"accuracy": 1.5'),
    "not positive": put('"mfu": 0.0'),
    "unknown status": lambda row: line(row, status="fine"),
    "a round below 0": lambda row: line(row, round=-1),
    "lacks a required column": lambda row: line({name: row[name] for name in row if name != "cell"}),
    "required and null": lambda row: line(row, cell=None),
    "half a surrogate pair": put(r'"reason": "\ud800", "flags": ["\udc00"]'),
    "a whole pair": put(r'"reason": "\ud83d\ude00"'),
    "a null character": put(r'"reason": "\u0000"'),
    "a bare control character": put('"reason": "\x01"'),
    "letters outside ASCII": put('"reason": "µ"'),
    "two objects": lambda row: seal(json.dumps({"kind": "row", **row}) + json.dumps({"kind": "row", **row})[:-1]),
    "no UTF-8 inside": lambda row: seal(json.dumps({"kind": "row", **row})[:-1].encode() + b', "reason": "\xff"'),
    "a checksum with other spaces": lambda row: seal(json.dumps({"kind": "row", **row})[:-1], b',"checksum":  "'),
    "spaces": lambda row: line(row).replace(b", ", b" ,  ", 1),
    "ended early": put('"loss": 1.0}'),
    "a comma too many": put('"loss": 1.0,'),
    "a leading zero": put('"loss": 01.0'),
    "a comment": put('/* */ "loss": 1.0'),
    "a carriage return": put('\r"loss": 1.0'),
    "kind twice": put('"kind": "stop"'),
    "checksum twice": put('"checksum": "0123456789abcdef"'),
}


def both_ways(data: bytes):
    """Return the table and the sweep of each way."""
    found = []
    for sound in (arrow._is_sound, lambda line: False):
        sweep = store.SweepFile(Path("a.jsonl"))
        with mock.patch.object(arrow, "_is_sound", sound):
            tables = list(arrow.blocks(io.BytesIO(data), sweep))
        found.append((arrow.pa.concat_tables([arrow.SCHEMA.empty_table(), *tables]), sweep))
    return found


def agree(data: bytes) -> store.SweepFile:
    """Check that both ways agree on a file, and return what the line by line way made of it."""
    (quick, quick_sweep), (slow, sweep) = both_ways(data)
    expected = store.SweepFile(sweep.path)
    for number, found in enumerate(data.split(b"\n")[:-1], 1):
        store.judge(expected, number, found)
    assert quick.num_rows == len(expected.rows)
    expected.rows = []
    assert quick_sweep == sweep == expected
    assert quick.to_pylist() == slow.to_pylist()
    assert quick.schema == slow.schema
    return sweep


@pytest.mark.parametrize("what", ODD)
def test_one_odd_line_among_sound_ones(row, what):
    sound = [line(row, round=n) for n in range(40)]
    lines = [*sound[:20], ODD[what](row), *sound[20:]]
    agree(b"".join(found + b"\n" for found in lines))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60), deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["sound", "sound", "sound", *ODD]), max_size=60),
    torn=st.sampled_from([b"", b'{"kind": "row", "sch', b"\xff"]),
    block=st.sampled_from([1, 5_000, 1 << 20]),
)
def test_any_mixture_of_lines(row, kinds, torn, block):
    lines = [line(row, round=n) if kind == "sound" else ODD[kind](row) for n, kind in enumerate(kinds)]
    with mock.patch.object(arrow, "BLOCK_BYTES", block):
        agree(b"".join(found + b"\n" for found in lines) + torn)


VALUES = {
    "str": st.text(st.characters(codec="utf-8"), max_size=5),
    "int": st.integers(-(2**65), 2**65),
    "float": st.floats() | st.integers(-(10**30), 10**30),
    "strings": st.lists(st.text(max_size=3), max_size=3),
    "ints": st.lists(st.integers(-(2**65), 2**65), max_size=3),
    "floats": st.lists(st.floats() | st.integers(), max_size=3),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_any_values(row, data):
    """Values of any type in any column, under a right checksum."""
    columns = data.draw(st.lists(st.sampled_from(schema.COLUMNS), max_size=4, unique_by=lambda column: column.name))
    kinds = [data.draw(st.sampled_from([column.kind, column.kind, *VALUES])) for column in columns]
    changes = {column.name: data.draw(VALUES[kind]) for column, kind in zip(columns, kinds, strict=True)}
    agree(line(row) + b"\n" + line(row, **changes) + b"\n" + line(row) + b"\n")


def test_sound_lines_are_parsed_at_once_and_a_bad_one_costs_its_neighbours_little(row, monkeypatch):
    judge = mock.Mock(wraps=store.judge)
    monkeypatch.setattr(store, "judge", judge)
    lines = [line(row, round=n) for n in range(1000)]
    lines[700] = ODD["key twice"](row)
    sweep = store.SweepFile(Path("a.jsonl"))
    [table] = arrow.blocks(io.BytesIO(b"".join(found + b"\n" for found in lines)), sweep)
    assert table["round"].to_pylist() == [n for n in range(1000) if n != 700]
    judged = [call.args[1] for call in judge.call_args_list]
    assert 701 in judged
    assert len(judged) <= arrow.FEWEST


def test_what_is_read_is_what_storage_reads(tmp_path, row):
    """The oldest way, a dictionary a row, agrees too; a list's whole numbers are the same as floats."""
    path = tmp_path / "a.jsonl"
    for n in range(3):
        store.append(path, "row", {**row, "round": n, "train_chunk_s": [1, 2.5], "flags": ["noisy"]})
    (table, _), _ = both_ways(path.read_bytes())
    assert table.to_pylist() == read_file(path).rows
