from __future__ import annotations

import json

import pytest

from benchmarks.errors import UsageError
from report import micro
from tests.unit.conftest import in_columns

HOSTILE = "[red]y[/red] \x1b[31m"


def benchmark(median_s=0.001, **changes):
    about = {
        "kind": "step", "framework": "torch", "version": "2.13.0", "model": "mlp", "batch_size": 100, "mode": "eager",
        "dtype": "float32", "device": "cpu", "device_name": "x86_64", "threads": 2, "flops": 45_440_000,
    }  # fmt: skip
    times = {"median": median_s, "q1": 0.9 * median_s, "q3": 1.2 * median_s, "iqr": 0.3 * median_s, "mean": median_s}
    return {"extra_info": {**about, **changes}, "stats": {**times, "rounds": 50}}


@pytest.fixture
def save(tmp_path):
    """Save a run as pytest-benchmark does, in a folder of the platform; return the results folder."""

    def write(*benchmarks, day=1, cpu="A processor"):
        folder = tmp_path / "Linux-CPython-3.11-64bit"
        folder.mkdir(exist_ok=True)
        saved = {"machine_info": {"cpu": {"brand_raw": cpu}}, "benchmarks": benchmarks, "datetime": f"2026-01-0{day}"}
        path = folder / f"{len(list(folder.iterdir())) + 1:04}_torch-cpu-2.json"
        path.write_text(json.dumps(saved))
        return tmp_path

    return write


def shown(frame):
    return [[list(column.cells) for column in table.columns] for table in micro.as_tables(frame)]


def test_seconds_become_microseconds_and_flops_a_rate(save):
    [line] = micro.load(save(benchmark(0.001))).to_dict("records")
    assert line["median_us"] == pytest.approx(1000)
    assert (line["q1_us"], line["q3_us"], line["iqr_us"]) == pytest.approx((900, 1200, 300))
    assert line["gflops_per_s"] == pytest.approx(45.44)
    assert line["device_name"] == "A processor"


def test_a_copy_has_no_rate(save):
    frame = micro.load(save(benchmark(kind="put", flops=0)))
    assert frame["gflops_per_s"].isna().all()
    [table] = micro.as_tables(frame)
    assert micro.HEADINGS["gflops_per_s"] not in in_columns(table)


def test_the_newest_run_of_each_cell_counts_whatever_its_number(save):
    save(benchmark(0.003), day=2)
    save(benchmark(0.001), day=1)
    frame = micro._newest(micro.load(save(benchmark(0.002, framework="jax"), day=1)))
    assert dict(zip(frame["framework"], frame["median_us"], strict=True)) == pytest.approx({"jax": 2e3, "torch": 3e3})


def test_the_quickest_is_first_and_tables_hold_what_can_be_compared(save):
    save(benchmark(0.003), benchmark(0.001, framework="jax"), benchmark(threads=1), benchmark(kind="put", flops=0))
    tables = list(micro.as_tables(micro.load(save(benchmark(), cpu="Another processor"))))
    assert [str(table.title) for table in tables] == [
        "put, float32, cpu (A processor), 2 threads",
        "step, float32, cpu (A processor), 1 thread",
        "step, float32, cpu (A processor), 2 threads",
        "step, float32, cpu (Another processor), 2 threads",
    ]
    assert list(tables[2].columns[2].cells) == ["jax", "torch"]


def test_a_card_keeps_the_name_its_framework_gives_it(save):
    assert micro.load(save(benchmark(device="gpu", device_name="A card")))["device_name"].tolist() == ["A card"]


def test_text_from_files_forges_no_table(save):
    assert ["\\[red]y\\[/red] \\x1b[31m"] in shown(micro.load(save(benchmark(version=HOSTILE))))[0]


def test_an_empty_folder_is_one_line_that_says_what_to_type(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match="tox -e micro") as caught:
            micro.load(folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting"),
        ("[" * 100_000, "recursion"),
        ("[]", "indices"),
        ("{}", "lacks 'benchmarks'"),
        ('{"benchmarks": [{"stats": {}}]}', "lacks 'extra_info'"),
        ('{"benchmarks": ["text"], "datetime": "2026"}', "indices"),
        (json.dumps({"machine_info": {"cpu": {}}, "benchmarks": [benchmark(flops="many")]}), "many"),
        (json.dumps({"machine_info": {"cpu": {}}, "benchmarks": [benchmark(0.0)]}), "0.0 s"),
        (json.dumps({"machine_info": {"cpu": {}}, "benchmarks": [benchmark(float("nan"))]}), "nan s"),
        (json.dumps({"machine_info": {"cpu": "text"}, "benchmarks": [benchmark()]}), "no attribute"),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_line_with_its_name(tmp_path, text, words):
    (tmp_path / "0001_other.json").write_text(text)
    with pytest.raises(UsageError, match="0001_other") as caught:
        micro.load(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
