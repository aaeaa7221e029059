from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from adapters.registry import default_frameworks
from benchmarks.machine.environments import ROOT
from benchmarks.record.schema import COLUMNS


def test_rows_tables_and_page_come_from_the_same_results(six, command, tmp_path):
    folder = str(six[2])
    lines = list(csv.DictReader(io.StringIO(command("report", "rows", "--results", folder).stdout)))
    assert {line["framework"] for line in lines} == set(default_frameworks())
    table = command("report", "compare", "--results", folder, "--base", "numpy").stdout
    assert "against numpy" in table
    assert "provisional: 1 launch each" in table
    done = command("report", "page", "--results", folder, "--out", str(tmp_path / "out" / "report.html"))
    assert done.returncode == 0, done.stderr
    page = re.sub(r"<script.*?</script>", "", (tmp_path / "out" / "report.html").read_text(), flags=re.DOTALL)
    assert "torch" in page
    assert not re.search(r"src=\"(?!data:)", page)  # it loads nothing
    row_files = {path.name for path in six[2].glob("*.jsonl")}
    assert row_files <= {Path(link).name for link in re.findall(r"href=\"([^\"#]*)\"", page)}
    assert "| torch |" in (tmp_path / "out" / "report.md").read_text()
    assert "torch" in (tmp_path / "out" / "report.csv").read_text()


def test_without_rows_one_line_says_what_to_do(command, tmp_path):
    for arguments in (("compare",), ("page",)):
        done = command("report", *arguments, "--results", str(tmp_path))
        assert done.returncode == 2
        assert "tox -e bench" in done.stderr


def test_the_curves_in_docs_are_those_of_the_rows(command):
    generated = command("report", "curves").stdout.strip()
    assert generated.count("| published |") == 3
    assert generated in (ROOT / "docs" / "tutorials.md").read_text()


def test_the_table_in_the_readme_is_the_page_s_own(command, tmp_path):
    results = str(ROOT / "results" / "reference")
    done = command("report", "page", "--results", results, "--out", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    generated = (tmp_path / "report.md").read_text().strip()
    assert generated.count("| tensorflow |") == 2  # mlp and lenet
    assert generated in (ROOT / "README.md").read_text()


def test_selfcheck_prints_each_check_with_its_bound(command):
    done = command("benchmarks", "selftest", "--only", "coverage,idle_parent", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {check["name"] for check in found} == {"coverage", "idle_parent"}
    assert all(check["passed"] and check["bound"] for check in found)
    assert command("benchmarks", "selftest", "--only", "coverag").returncode == 2


def test_list_shows_every_framework_and_how_to_make_what_is_missing(command):
    found = json.loads(command("benchmarks", "info", "list", "--json").stdout)["frameworks"]
    cpu = {item["framework"]: item for item in found if item["device"] == "cpu"}
    assert cpu["jax"]["modes"] == ["eager", "compiled", "fused"]
    assert all(item["version"] for item in cpu.values())
    gpu = [item for item in found if item["device"] == "gpu"]
    assert len(gpu) == 5
    assert all("tox run --notest -e" in item["problem"] or item["version"] for item in gpu)


def test_the_list_of_columns_in_results_is_the_schema_s(command):
    generated = command("report", "columns").stdout.strip()
    assert generated in (ROOT / "results" / "README.md").read_text()
    assert len(generated.splitlines()) == len(COLUMNS) + 2
