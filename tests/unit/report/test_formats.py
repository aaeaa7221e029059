from __future__ import annotations

import csv
import io
import json
import re

import pandas as pd
import pytest

from benchmarks.errors import UsageError
from report import formats
from report.tables import render
from report.tables.metrics import metric
from tests.unit.report.known import LATER, SLOWER, STEADY

HOSTILE = "</script> | **x** [red]y[/red] \x1b[31m \\input{x} 50% $a_b^c$ & # ~\n| y |"
SPEED = metric("train_samples_per_s")


@pytest.fixture
def table(compare, launches):
    """Return a comparison in which every text of a row is hostile."""
    hostile = {"framework": HOSTILE, "device_name": HOSTILE, "framework_version": HOSTILE}
    return compare(launches(*STEADY, **hostile), launches(*SLOWER, **hostile | {"framework_version": "2"}, **LATER))


def written(form, table):
    return formats.text(form, table, render.sides(table, SPEED), render.NUMERIC)


def test_markdown_keeps_its_cells(table):
    lines = written("markdown", table).splitlines()
    assert lines[0].startswith("### mlp, batch 100, mnist-5k")
    cells = [re.split(r"(?<!\\)\|", line) for line in lines if line.startswith("|")]
    assert len({len(row) for row in cells}) == 1
    assert "<" not in "".join(lines)
    assert "[red]" not in "".join(lines).replace("\\[", "")


def test_latex_runs_no_command_of_a_row(table):
    text = written("latex", table)
    for command in re.findall(r"\\[a-zA-Z]+", text):
        assert command in {
            "\\begin", "\\end", "\\caption", "\\toprule", "\\midrule", "\\bottomrule", "\\textbackslash", "\\textless",
            "\\textgreater", "\\textbar", "\\textasciitilde", "\\textasciicircum",
        }, command  # fmt: skip
    assert not re.findall(r"(?<!\\)[$#]", text)
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 1
    [body] = [line for line in text.splitlines() if "slower" in line]
    assert len(re.findall(r"(?<!\\)&", body)) == len(re.search(r"tabular}{([lr]+)}", text)[1]) - 1


def test_csv_and_json_hold_every_column_with_all_digits(table):
    [line] = csv.DictReader(io.StringIO(written("csv", table)))
    [record] = json.loads(written("json", table))
    assert list(line) == list(record) == list(table.columns)
    assert float(line["ratio"]) == record["ratio"] == table["ratio"].iloc[0]
    assert record["framework"] == HOSTILE
    assert record["difference"] is None
    assert line["difference"] == ""


def test_the_terminal_gets_no_markup_and_no_control_character(table):
    sections = list(render.sides(table, SPEED))
    text = formats.plain_tables(sections, render.NUMERIC)
    assert "[red]y[/red]" in text
    assert "\x1b" not in text
    assert "0.900" in text
    assert "slower" in text
    assert "1,000" in text


def test_an_unknown_form_lists_the_known():
    with pytest.raises(UsageError, match="table, markdown, csv, json, latex"):
        formats.text("html", pd.DataFrame(), [])


def test_noisy_launches_are_counted_on_both_sides(compare, launches):
    table = compare(launches(*STEADY), launches(*STEADY[:5], flags=["noisy"], **LATER))
    [(_, _, [cells])] = render.sides(table, SPEED)
    assert cells["noisy"] == "0/6 and 5/5"


def test_columns_with_nothing_to_say_are_left_out(compare, launches):
    table = compare(launches(*STEADY), launches(*STEADY[::-1], **LATER))
    [(_, headings, [cells])] = formats.filled(render.sides(table, SPEED))
    assert list(headings) == ["framework", "mode", "base", "new", "ratio", "ratio_interval", "findable", "times"]
    shown = ("1,000 ± 0.7 %", "1,000 ± 0.7 %", "1.000 equivalent")
    assert (cells["base"], cells["new"], cells["ratio"]) == shown


def test_what_follows_a_line_s_end_is_no_option_of_it():
    assert formats._latex_text("[1ex]*") == "{[}1ex{]}{*}"
    assert formats._latex_text("--x ``y''") == "{-}{-}x {`}{`}y{'}{'}"


def test_latex_gets_letters_that_its_fonts_have():
    assert formats._latex_text('"é漢\u202e') == "\\symbol{34}é\\textbackslash{}u6f22\\textbackslash{}x202e"


def test_markdown_gets_no_control_character():
    assert formats.markdown_text("\x1b[31m\u202e") == "\\\\x1b\\[31m\\\\x202e"
