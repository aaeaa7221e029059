"""Hostile text in every text of every line: each command, in each of its formats, shows it and lets it do nothing."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from report.cli import app
from report.export import EXPORTS
from report.formats import FORMATS
from tests.browser import synthetic
from tests.hostile import CHECKED, KNOWN, PAYLOAD, hostile
from tests.unit.report.known import small_sweep

BASE, NEW = "20260101T000000-aaaaaa", "20260201T000000-bbbbbb"


def results(folder, spared, sweep):
    """Write a sweep in which every text is hostile."""
    folder.mkdir(parents=True)
    with (folder / f"{sweep}.jsonl").open("wb") as file:
        for kind, record in small_sweep(device="cpu"):
            named = record | {"sweep": sweep} if "sweep" in record else record
            file.write(synthetic.line(kind, hostile(named, spared | {"sweep"})))
    return folder


@pytest.fixture(scope="module", params=[CHECKED, CHECKED | KNOWN], ids=["all text", "names and facts"])
def sets(request, tmp_path_factory):
    """Return two sets in which all text, or all but what decides what is shown, is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    return [results(folder / name, request.param, sweep) for name, sweep in (("base", BASE), ("new", NEW))]


def say(*arguments):
    """Return (output, errors) of a command that must do its work."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout_bytes, done.stderr


def printable(data: bytes | str) -> str:
    """Return text, in which nothing but letters and line ends may stand."""
    text = data.decode() if isinstance(data, bytes) else data
    odd = {c for c in text if not c.isprintable() and c != "\n"}
    assert not odd, odd
    return text


def is_safe_csv(text: str) -> None:
    lines = list(csv.reader(io.StringIO(printable(text))))
    assert len({len(line) for line in lines}) == 1
    cells = [cell for line in lines[1:] for cell in line]
    for cell in cells:
        if cell.lstrip().startswith(("=", "+", "-", "@", "\t")):
            float(cell)  # a number, which stays one
    assert any(cell.startswith(("'=", "'+", "'-", "'@")) for cell in cells)


def is_safe_markdown(text: str) -> None:
    text = printable(text)
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\[bold", text)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "&lt;img" in text


def is_safe_latex(text: str) -> None:
    text = printable(text)
    assert text.isascii()
    assert not re.search(r"\\\\\s*[\[*]", text)  # a line's end takes these as its options
    ours = r"\\(begin|end|caption|toprule|midrule|bottomrule|text[a-z]+|symbol)\b|\\[&%$#_{}]|\\\\\n"
    assert not re.search(r"[\\$#~^]", re.sub(ours, "", text))
    assert "img src=x" in text


def is_safe_json(text: str) -> None:
    assert printable(text).isascii()
    for document in [text] if text.startswith(("[", "{\n")) else text.splitlines():
        json.loads(document)


def is_safe_table(text: str) -> None:
    assert "[bold]b[/bold]" in printable(text) or "[bold" in text  # as text: folded where a column is narrow


SAFE = {
    "csv": is_safe_csv,
    "markdown": is_safe_markdown,
    "latex": is_safe_latex,
    "json": is_safe_json,
    "table": is_safe_table,
}


@pytest.mark.fault(29)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("how", ["frameworks", "metric", "sets"])
def test_compare(sets, form, how):
    base, new = sets
    chosen = {"frameworks": ["--results", base], "metric": ["--results", base, "--metric", "mfu"], "sets": [base, new]}
    data, errors = say("compare", *chosen[how], "--format", form, "--all")
    SAFE[form](data.decode())
    printable(errors)


@pytest.mark.fault(29)
@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_rows(sets, form):
    data, _ = say("rows", "--results", sets[0], "--format", form)
    SAFE[form.removesuffix("l")](data.decode())
    match form:  # for programs: the text as it is
        case "json":
            assert PAYLOAD in json.loads(data)[0]["device_name"]
        case "jsonl":
            assert PAYLOAD in json.loads(data.splitlines()[0])["device_name"]


@pytest.mark.fault(29)
@pytest.mark.parametrize("form", EXPORTS)
def test_export(sets, form, tmp_path):
    data, errors = say("rows", "--results", sets[0], "--format", form, "--out", tmp_path / "out")
    printable(errors)
    data = (tmp_path / "out").read_bytes()
    if form == "parquet":
        assert PAYLOAD in pq.read_table(tmp_path / "out")["device_name"][0].as_py()
    else:
        SAFE["csv" if form == "csv" else "json"](data.decode())


@pytest.mark.fault(29)
def test_curves(sets):
    data, _ = say("curves", "--results", sets[0])
    printable(data)


@pytest.mark.fault(29)
def test_page(sets, tmp_path):
    _, errors = say("page", "--results", sets[0], "--out", tmp_path / "a.html")
    printable(errors)
    page = printable((tmp_path / "a.html").read_text())
    data = page.count('type="application/json">')
    assert page.count("<script") == page.count("</script>") == 2 + data  # ours, the library, and what is no program
    assert "<img src=x" not in page
    assert html.escape("<img src=x onerror=alert(1)>") in page
    is_safe_markdown((tmp_path / "a.md").read_text())
    is_safe_csv((tmp_path / "a.csv").read_text())


@pytest.mark.fault(29)
def test_micro(tmp_path):
    about = {
        "kind": "step", "device": "gpu", "device_name": "A card", "dtype": "float32", "model": "mlp", "mode": "eager",
        "framework": "torch", "version": "2", "threads": 2, "batch_size": 100, "flops": 454_400,
    }  # fmt: skip
    stats = dict.fromkeys(("median", "q1", "q3", "iqr", "mean"), 1e-3) | {"rounds": 5}
    benchmark = {"extra_info": hostile(about, set()), "stats": stats}
    saved = {"machine_info": {"cpu": {}}, "datetime": "2026", "benchmarks": [benchmark]}
    (tmp_path / "a.json").write_text(json.dumps(saved))
    data, _ = say("micro", "--results", tmp_path)
    is_safe_table(data.decode())


@pytest.mark.fault(29)
def test_what_cannot_be_read_is_named_in_letters(sets, tmp_path):
    (tmp_path / "\x1b[31m[red]a.jsonl").write_bytes(b"x\n")
    folder = results(tmp_path / "more", CHECKED, BASE)
    (folder / "\x1b[31m[red]a.jsonl").write_bytes(b"x\n")
    _, errors = say("rows", "--results", folder)
    assert "\\x1b[31m[red]a.jsonl, line 1: not JSON" in printable(errors)
