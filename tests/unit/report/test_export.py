from __future__ import annotations

import io
import json
import statistics

import pandas as pd
import pyarrow.parquet as pq
import pyperf
import pytest

from benchmarks.errors import UsageError
from benchmarks.record.schema import COLUMNS
from report.export import EXPORTS, exported
from report.results.load import load
from report.tables.metrics import metric
from tests.unit.report.known import LATER, STEADY

NAME = "torch mlp eager float32 batch 100 mnist-5k preloaded cpu 2 threads"


@pytest.fixture
def written(write_set):
    """Export some rows."""

    def write(form, *rows, name="train_samples_per_s"):
        return exported(load(write_set("set", *rows)), form, metric(name))

    return write


def test_pyperf_reads_a_run_for_each_launch(written, launches):
    suite = pyperf.BenchmarkSuite.loads(written("pyperf", *launches(*STEADY), *launches(500.0, framework="jax")))
    assert suite.get_benchmark_names() == [NAME.replace("torch", "jax"), NAME]
    found = suite.get_benchmark(NAME)
    assert found.get_values() == tuple(1 / speed for speed in STEADY)
    assert (found.get_nrun(), found.get_unit()) == (6, "second")
    assert found.get_metadata()["framework_version"] == "2.13.0"
    assert found.get_metadata()["threads"] == 2
    assert found.get_dates()


def test_pyperf_gets_times_as_they_are(written, make):
    suite = pyperf.BenchmarkSuite.loads(written("pyperf", make(import_s=2.5), name="import_s"))
    assert suite.get_benchmark(NAME).get_values() == (2.5,)


@pytest.mark.parametrize("form", ["pyperf", "pytest-benchmark"])
@pytest.mark.parametrize("name", ["mfu", "flops_per_s", "peak_rss_bytes"])
def test_formats_of_times_refuse_what_is_none(written, make, form, name):
    with pytest.raises(UsageError, match="no time"):
        written(form, make(mfu=0.5, peak_rss_bytes=5), name=name)


def test_pytest_benchmark_says_what_pytest_benchmark_says_of_rounds(written, launches):
    saved = json.loads(written("pytest-benchmark", *launches(*STEADY)))
    [found] = saved["benchmarks"]
    seconds = [1 / speed for speed in STEADY]
    assert (found["name"], found["stats"]["rounds"], found["stats"]["data"]) == (NAME, 6, seconds)
    assert found["stats"]["mean"] == pytest.approx(statistics.mean(seconds))
    assert found["stats"]["ops"] == pytest.approx(1000, rel=0.01)
    assert found["stats"]["min"] == found["stats"]["ld15iqr"] == 1 / 1010


def test_bencher_has_a_value_and_bounds_for_each_cell(written, launches):
    found = json.loads(written("bencher", *launches(*STEADY), *launches(500.0, framework="jax")))
    throughput = found[NAME]["throughput"]
    assert throughput["value"] == pytest.approx(statistics.geometric_mean(STEADY))
    assert throughput["lower_value"] < 1000 < throughput["upper_value"]
    assert found[NAME.replace("torch", "jax")] == {"throughput": {"value": 500.0}}


def test_bencher_s_other_measures_go_by_their_names(written, make):
    rows = [make(round=n, stolen_share=share) for n, share in enumerate((0.0, 0.1))]
    assert json.loads(written("bencher", *rows, name="stolen_share")) == {NAME: {"stolen-share": {"value": 0.05}}}


def test_github_action_benchmark_has_name_unit_value_range_extra(written, launches):
    [found] = json.loads(written("github-action-benchmark", *launches(*STEADY)))
    assert (found["name"], found["unit"]) == (NAME, "samples/s")
    assert found["value"] == pytest.approx(statistics.geometric_mean(STEADY))
    assert " to " in found["range"]
    assert "geometric mean of 6 launches" in found["extra"]
    with pytest.raises(UsageError, match="neither bigger nor smaller"):
        written("github-action-benchmark", *launches(1), name="chunk_steps")


def test_parquet_has_the_schema_s_types_and_meanings(written, make):
    rows = [make(train_chunk_s=[0.1, 0.2], flags=["noisy"]), make(round=1, status="oom", train_samples_per_s=None)]
    data = written("parquet", *rows)
    schema = pq.read_schema(io.BytesIO(data))
    assert schema.names == [*(column.name for column in COLUMNS), "machine_kind", "machine"]
    types = {name: str(schema.field(name).type) for name in ("round", "mfu", "framework", "train_chunk_s", "flags")}
    assert types == {
        "round": "int64", "mfu": "double", "framework": "string", "train_chunk_s": "list<element: double>",
        "flags": "list<element: string>",
    }  # fmt: skip
    assert schema.field("train_samples_per_s").metadata[b"unit"] == b"samples/s"
    frame = pd.read_parquet(io.BytesIO(data))
    assert frame["train_samples_per_s"].tolist()[0] == 1000
    assert frame["train_samples_per_s"].isna().tolist() == [False, True]
    assert frame["train_chunk_s"][0].tolist() == [0.1, 0.2]


def test_json_and_csv_hold_every_row(written, make):
    rows = [make(train_samples_per_s=1 / 3), make(round=1, status="oom", train_samples_per_s=None)]
    assert pd.read_csv(io.StringIO(written("csv", *rows)))["status"].tolist() == ["ok", "oom"]
    found = json.loads(written("json"))  # the same set
    assert [one["status"] for one in found] == ["ok", "oom"]
    assert found[0]["train_samples_per_s"] == pytest.approx(1 / 3, abs=1e-15)
    assert [json.loads(line) for line in written("jsonl").splitlines()] == found


@pytest.mark.parametrize("form", ["pyperf", "pytest-benchmark", "bencher", "github-action-benchmark"])
def test_only_the_newest_ok_launches_of_the_checkout_count(written, launches, make, form):
    rows = [
        *launches(1, 2, 3),
        *launches(7, revision="abc1234", **LATER),
        *launches(500, **LATER),
        make(round=5, status="nan", train_samples_per_s=9.0, **LATER),
    ]
    text = written(form, *rows)
    assert str(500.0) in text or "0.002" in text
    assert "abc1234" not in text
    found = json.loads(text)
    values = {
        "pyperf": lambda: [run["values"] for run in found["benchmarks"][0]["runs"]],
        "pytest-benchmark": lambda: [found["benchmarks"][0]["stats"]["data"]],
        "bencher": lambda: [[1 / found[NAME]["throughput"]["value"]]],
        "github-action-benchmark": lambda: [[1 / found[0]["value"]]],
    }
    assert values[form]() == [[1 / 500]]


def test_cells_of_several_machines_have_names_of_their_own(written, make):
    found = json.loads(written("bencher", make(), make(device_name="Another\nprocessor")))
    assert sorted(found) == [f"{NAME} A processor abc", f"{NAME} Another\\x0aprocessor abc"]


@pytest.mark.parametrize("form", ["pyperf", "pytest-benchmark", "bencher", "github-action-benchmark"])
def test_without_a_value_one_line_says_so(written, make, form):
    with pytest.raises(UsageError, match="choose another --metric") as caught:
        written(form, make(), name="dispatch_s" if form != "pyperf" else "import_s")
    assert "\n" not in str(caught.value)


def test_an_unknown_format_lists_the_known(written, make):
    with pytest.raises(UsageError, match=", ".join(EXPORTS)):
        written("xml", make())
