"""Results files as a crash, a bad disk or a stranger leaves them: what is read, and in how much memory."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import files
from benchmarks.errors import SchemaError, StorageError
from benchmarks.record import schema, store
from tests.kept import read_file
from tests.unit.conftest import examples
from tests.unit.known_lines import RECORDS

KINDS = ("stop", "proof", "dataset", "image")

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(others=st.dictionaries(TEXTS.map("of a newer program: ".__add__), JSON), kind=st.sampled_from(KINDS))
@settings(max_examples=examples(50), deadline=None)
def test_what_is_appended_comes_back(tmp_path_factory, others, kind):
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    record = {**RECORDS[kind], **others}
    store.append(path, kind, record)
    sweep = read_file(path)
    [found] = getattr(sweep, store.LISTS[kind])
    assert found == {"schema_version": schema.SCHEMA_VERSION, **record}
    assert sweep.problems == []


@given(
    texts=st.lists(st.binary(max_size=9).map(lambda text: text.replace(b"\n", b"")), max_size=9),
    block=st.integers(1, 30),
)
def test_lines_come_in_order_and_whole_up_to_their_bound(texts, block):
    data = b"\n".join(texts)
    found = [line for lines_ in files.read_lines(io.BytesIO(data), block, 5) for line in lines_]
    assert [line[:6] for line in found] == [text[:6] for text in texts[:-1]]
    assert all(len(line) <= 6 for line in found)


def line_with(value):
    body = f'{{"schema_version": {schema.SCHEMA_VERSION}, "kind": "stop", "a": {value}'.encode()
    return body + f', "checksum": "{store._checksum(body)}"}}'.encode()


@pytest.mark.fault(30)
@pytest.mark.parametrize("value", ["1e999", "-1e999", "[[-1e999]]"])
def test_a_number_that_would_become_infinite_is_no_number(value):
    """Found by the fuzzer: such a value has no JSON."""
    with pytest.raises(SchemaError, match="1e999 is not JSON"):
        store.parse(line_with(value))


def test_damaged_lines_do_not_fill_the_memory_with_their_descriptions(tmp_path, row):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n" * 3000)
    assert len(read_file(path).problems) == store.MAX_PROBLEMS + 1
    assert "line 1001 and after it" in read_file(path).problems[-1]
    body = json.dumps({"kind": "row", **row, "framework": ["x" * 100_000]})[:-1]
    path.write_text(f'{body}, "checksum": "{store._checksum(body.encode())}"}}\n')
    [problem] = read_file(path).problems
    assert "'framework'" in problem
    assert len(problem) < 500


def test_a_file_beyond_any_sweep_is_refused_unread(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.truncate(store.MAX_FILE_BYTES + 1)
    with pytest.raises(StorageError, match="found one of 1073741825; move it out"):
        read_file(path)
