"""Files that someone prepared: each is refused by name and line, quickly; nothing is followed, opened or written."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.record import store
from benchmarks.record.schema import SCHEMA_VERSION
from report.cli import page
from report.micro import load as load_micro
from report.results import rules
from report.results.load import load, records
from tests.kept import read_all, read_file
from tests.unit.known_lines import RECORDS

ROOT = Path(__file__).resolve().parents[3]


def seal(text: str) -> bytes:
    """Return a line with this JSON, its last brace apart, and the right checksum."""
    return f'{text}, "checksum": "{store._checksum(text.encode())}"}}\n'.encode()


HOSTILE = {  # what a field holds, as JSON
    "deep nesting": "[" * 900 + "]" * 900,
    "nesting without end": "[" * 200_000 + "]" * 200_000,
    "deep objects": '{"a":' * 900 + "1" + "}" * 900,
    "beyond a float": "1e999",
    "no number": "NaN",
    "without end": "-Infinity",
    "a thousand digits": "9" * 1000,
    "ten thousand digits": "9" * 10_000,
    "ten megabytes": json.dumps("x" * 10_000_000),
    "a list of a million": json.dumps([0] * 300_000),
    "a key twice": '{"a": 1, "a": 2}',
    "a prototype": '{"__proto__": {"polluted": true}}',
}
FIELD = {  # a field of each kind, none of which may hold these
    "row": "loss", "run": "machine", "end": "wall_s", "stop": "rounds", "proof": "verdict", "dataset": "train_counts",
    "image": "index",
}  # fmt: skip
FINE = {("run", "a prototype"), ("proof", "a prototype")}  # unknown names, which nothing looks up


@pytest.fixture
def put(tmp_path, row):
    """Write sound lines with others between them into a file; return its folder."""

    def write(*lines):
        sound = seal(json.dumps({"kind": "row", **row})[:-1])
        (tmp_path / "a.jsonl").write_bytes(sound + b"".join(lines) + sound)
        return tmp_path

    return write


@pytest.mark.fault(30)
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_value_is_refused_with_its_line(put, row, what):
    lines = []
    for kind, name in FIELD.items():
        record = {"kind": kind, "schema_version": SCHEMA_VERSION, **(row if kind == "row" else RECORDS[kind])}
        lines.append(seal(json.dumps({**record, name: "HERE"})[:-1].replace('"HERE"', HOSTILE[what])))
    folder = put(*lines)
    [found] = records(folder)
    refused = [int(problem.split(":")[0].rpartition(" ")[2]) for problem in found.problems]
    fine = {2 + list(FIELD).index(kind) for kind, value in FINE if value == what}
    assert refused == [number for number in range(2, 9) if number not in fine]
    assert all(len(problem) < 400 for problem in found.problems)
    assert len(load(folder)) == 2
    read = read_file(folder / "a.jsonl")
    assert (len(read.rows), read.problems) == (2, found.problems)


def links(folder):
    """Put what is no file into a folder under the names of results; return the names."""
    (folder / "passwd.jsonl").symlink_to("/etc/passwd")
    (folder / "self.jsonl").symlink_to("self.jsonl")
    (folder / "zero.jsonl").symlink_to("/dev/zero")
    (folder / "sibling.jsonl").symlink_to("a.jsonl")
    (folder / "folder.jsonl").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    return ["folder", "passwd", "pipe", "self", "sibling", "zero"]


@pytest.mark.fault(30)
def test_only_regular_files_are_read(put, capsys):
    folder = put()
    names = links(folder)
    assert len(load(folder)) == 2
    said = capsys.readouterr().err
    for name in names:
        assert f"{name}.jsonl: a " in said
    assert "root:" not in said
    swept = {sweep.path.stem: sweep for sweep in read_all(folder)}
    checked = {file.sweep.path.stem: file.sweep for file in rules.read_all(folder, ["sweep"])}
    for name in names:
        assert "not a regular file" in swept[name].problems[0]
        assert swept[name].problems == checked[name].problems
    assert len(swept["a"].rows) == 2


@pytest.mark.fault(30)
def test_micro_reads_no_links(tmp_path):
    (tmp_path / "a.json").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"a\.json: a symbolic link"):
        load_micro(tmp_path)


@pytest.mark.fault(30)
def test_a_name_that_is_a_path_leads_nowhere(tmp_path, row, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "in" / "cache"))
    path = "../../../escaped"
    run = {**RECORDS["run"], "sweep": path, "resumes": [path], "data": {path: path}}
    (tmp_path / "in" / "results").mkdir(parents=True)
    for kind, record in (
        ("run", run), ("row", {**row, "sweep": path, "dataset": path, "framework": path, "recipe": path}),
        ("row", {**row, "sweep": path, "revision": path}), ("dataset", {**RECORDS["dataset"], "name": path}),
        ("image", {**RECORDS["image"], "dataset": path}),
    ):  # fmt: skip
        store.append(tmp_path / "in" / "results" / "a.jsonl", kind, record)
    page(tmp_path / "in" / "results", tmp_path / "in" / "out" / "report.html", None)
    assert [item.name for item in tmp_path.iterdir()] == ["in"]
    assert {item.name for item in (tmp_path / "in").iterdir()} <= {"results", "out", "cache"}
    assert not list(tmp_path.rglob("*escaped*"))


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}


@pytest.mark.fault(30)
def test_nothing_is_unpickled_or_evaluated_anywhere():
    for path in (path for package in ("adapters", "benchmarks", "report") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    assert not {name.name.split(".")[0] for name in names} & FORBIDDEN, path
                case ast.ImportFrom(module=str(module)):
                    assert module.split(".")[0] not in FORBIDDEN, path
                case ast.Call(func=ast.Name(id=called)):
                    assert called not in ("eval", "exec"), path
                case ast.Call(func=ast.Attribute(attr=called, value=ast.Name(id=owner))):
                    if called == "load" and owner in ("np", "numpy"):
                        allowed = {k.arg: ast.unparse(k.value) for k in node.keywords}
                        assert allowed.get("allow_pickle") == "False", (path, node.lineno)
                    assert called not in ("read_pickle", "to_pickle"), path
