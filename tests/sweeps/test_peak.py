from __future__ import annotations

import json

import pytest

from benchmarks import files
from benchmarks.launch import ceilings
from benchmarks.worker.peak import BYTES_PER_ELEMENT
from tests.sweeps.conftest import ATTEMPTS, HELD_UP


def test_real_workers_multiply_and_their_answers_are_kept(command, tmp_path):
    arguments = ("info", "peak", "--framework", "numpy,torch", "--sizes", "128,64", "--dtype", "float32,float64")
    variables = {"LOCKSTEP_CACHE": str(tmp_path)}
    for _ in range(ATTEMPTS):  # a peak that is complete is kept, so that only what others held up is measured again
        done = command("benchmarks", *arguments, "--threads", "1", "--json", **variables)
        if HELD_UP not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [part["dtype"] for part in found["peaks"]] == ["float32", "float64"]
    for part in found["peaks"]:
        assert (part["device"], part["threads"]) == ("cpu", 1)
        rates = {}
        for framework, answer in part["frameworks"].items():
            assert answer["framework_version"]
            assert [item["size"] for item in answer["sizes"]] == [64, 128]
            rates |= {(framework, item["size"]): item["flops_per_s"] for item in answer["sizes"]}
        assert len(rates) == 4
        assert part["flops_per_s"] == max(rates.values()) == rates[part["framework"], part["size"]]
        assert 1e7 < part["flops_per_s"] < 1e13
    [memory] = found["bandwidths"]
    sets = [part["set_bytes"] for part in memory["sets"]]
    assert sets == sorted(sets)
    assert all(size % BYTES_PER_ELEMENT == 0 for size in sets)
    assert memory["bytes_per_s"] == memory["sets"][-1]["bytes_per_s"]
    assert 1e8 < memory["bytes_per_s"] < 1e13
    again = command("benchmarks", *arguments, "--threads", "1", "--json", **variables)
    changing = {"machine": None}  # its load and clocks are those of the moment
    assert json.loads(again.stdout) | changing == found | changing
    assert again.stderr == ""  # nothing was launched
    shown = command("benchmarks", *arguments, "--threads", "1", **variables).stdout
    for part in found["peaks"]:
        assert f"{part['flops_per_s'] / 1e9:,.1f} ({part['framework']}, {part['size']})" in shown


@pytest.mark.parametrize(
    ("flops_per_s", "status"), [(1e15, "ok"), pytest.param(1.0, "impossible", marks=pytest.mark.fault(24))]
)
def test_rows_take_the_kept_peak(sweep, command, tmp_path, monkeypatch, flops_per_s, status):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    point = ceilings.Point("cpu", "float32", 1)
    files.write_cached(
        "peaks",
        ceilings._peak_key(point, ceilings.available_frameworks("cpu"), ceilings.SIZES),
        {"flops_per_s": flops_per_s},
    )
    arguments = ("--framework", "numpy", "--model", "linear", "--rounds", "1", "--epochs", "0", "--threads", "1")
    done, [row] = sweep(*arguments)
    assert (row["status"], row["peak_flops_per_s"]) == (status, flops_per_s)
    assert row["mfu"] == pytest.approx(row["flops_per_s"] / flops_per_s, abs=1e-9)
    assert done.returncode == (status != "ok")
    assert ("times the machine's peak" in done.stderr) == (status != "ok")
    shown = command("report", "compare", "--results", str(tmp_path / "results")).stdout
    assert ("0.0%" in shown) == (status == "ok")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--framework", "torhc"), "did you mean torch?"),
        (("--sizes", "0"), "--sizes '0': expected whole numbers from 1"),
        (("--threads", "4096"), "--threads 4096: "),
        (("--dtype", "float8"), "unknown dtype"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(refused, tmp_path, arguments, words):
    refused(words, "benchmarks", "info", "peak", *arguments, LOCKSTEP_CACHE=str(tmp_path))
