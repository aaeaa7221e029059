"""The file of suspects: what a gate writes is what `run --confirm` measures, and nothing else."""

from __future__ import annotations

import json

import pytest

from benchmarks.errors import StorageError, UsageError
from benchmarks.plan import suspects
from benchmarks.plan.cells import Cell

CELLS = [
    Cell(name, "mlp", "mnist-5k", "cpu", size, "eager", "float32", 1, revision=revision)
    for name in ("torch", "jax@0.7.2")
    for size in (10, 100)
    for revision in ("0123456789ab", "")
]


def test_of_a_plan_only_what_the_file_names_is_measured_in_the_plan_s_order(tmp_path):
    path = tmp_path / "suspects.json"
    assert suspects.write(path, [CELLS[5], CELLS[4], CELLS[5]]) == 2
    assert suspects.suspected(path, CELLS) == CELLS[4:6]


def test_no_suspect_is_a_file_that_names_none_and_nothing_to_measure(tmp_path):
    path = tmp_path / "suspects.json"
    suspects.write(path, CELLS)
    assert suspects.write(path, []) == 0  # in place of those of another time
    with pytest.raises(UsageError, match="it names no suspect; there is nothing to measure again"):
        suspects.suspected(path, CELLS)


def test_a_suspect_that_the_options_do_not_measure_is_no_silent_pass(tmp_path):
    """As where the base has moved on since the first run."""
    path = tmp_path / "suspects.json"
    suspects.write(path, CELLS[:2])
    moved = [cell for cell in CELLS if cell != CELLS[0]]
    with pytest.raises(UsageError, match=r'do not measure .*"revision": "0123456789ab".*; give those of the first run'):
        suspects.suspected(path, moved)


@pytest.mark.parametrize(
    "content", ["", "{}", "3", '"torch"', "[" * 100_000, '[{"framework": "torch"', "\0", "[1, []]"]
)
def test_a_file_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "suspects.json"
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        suspects.suspected(path, CELLS)
    assert str(refused.value).isprintable()
    assert "--confirm" in str(refused.value)


def test_what_is_no_file_is_one_line_that_says_what_writes_it(tmp_path):
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(UsageError, match="--confirm"):
            suspects.suspected(path, CELLS)
    with pytest.raises(UsageError, match="report compare --suspects` writes it"):
        suspects.suspected(tmp_path / "nowhere.json", CELLS)
    with pytest.raises(StorageError, match="choose another --suspects"):
        suspects.write(tmp_path / "no folder" / "suspects.json", CELLS)


def test_a_file_is_read_by_others_too(tmp_path):
    path = tmp_path / "suspects.json"
    suspects.write(path, CELLS[:1])
    [one] = json.loads(path.read_text())
    assert (one["framework"], one["batch_size"], one["revision"]) == ("torch", 10, "0123456789ab")
