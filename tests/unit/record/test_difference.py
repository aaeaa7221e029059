"""In what two runs differ, as their records say it."""

from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from benchmarks.record import store
from benchmarks.record.difference import differences, environments_of, newest_run

OLD = {
    "lock": "a",
    "versions": {"jax": "0.4.38"},
    "packages": {"jaxlib": "0.4.38", "numpy": "2.4.6"},
    "kernels": "AVX2",
}
NEW = {"lock": "b", "versions": {"jax": "0.7.2"}, "packages": {"ml-dtypes": "0.5", "numpy": "2.4.6"}, "kernels": "AVX2"}


def test_every_leaf_that_differs_is_a_line_and_what_is_alike_is_none():
    assert differences(OLD, NEW) == [
        ("lock", "a", "b"),
        ("packages.jaxlib", "0.4.38", "none"),
        ("packages.ml-dtypes", "none", "0.5"),
        ("versions.jax", "0.4.38", "0.7.2"),
    ]
    assert differences(OLD, OLD) == []


def test_of_runs_what_names_them_is_no_difference_and_an_environment_of_one_alone_is_one_line():
    machine = {"cpu": "EPYC", "load_average": 1.0, "instructions": ["avx", "fma"]}
    one = {"sweep": "1", "machine": machine, "frameworks": {"jax-cpu": OLD, "torch-cpu": OLD}, "seed": 0}
    other = {**one, "sweep": "2", "machine": {**machine, "load_average": 2.0, "instructions": ["avx"]}}
    other["frameworks"] = {"jax-cpu": OLD, "mxnet-cpu": OLD}
    assert differences(one, other) == [
        ("frameworks.mxnet-cpu", "none", "measured"),
        ("frameworks.torch-cpu", "measured", "none"),
        ("machine.instructions", "avx, fma", "avx"),
    ]


def test_a_folder_s_newest_run_counts(tmp_path):
    for name, seed in (("20260101T000000-a", 1), ("20260102T000000-b", 2)):
        store.append(tmp_path / f"{name}.jsonl", "run", {"sweep": name, "seed": seed})
    (tmp_path / "20260103T000000-c.jsonl").write_text("torn")
    assert newest_run(tmp_path)["seed"] == 2
    assert newest_run(tmp_path / "20260101T000000-a.jsonl")["seed"] == 1
    for place in (tmp_path / "none", tmp_path / "20260103T000000-c.jsonl"):
        with pytest.raises(UsageError, match="has no run; expected a results file, or a folder of them"):
            newest_run(place)


def test_arms_are_those_that_the_run_has():
    run = {"frameworks": {"jax@0.4.38-cpu": OLD, "jax-cpu": NEW}}
    assert environments_of(run, ("jax", "jax@0.4.38")) == (NEW, OLD)
    with pytest.raises(UsageError, match=r"no torch in the newest run; it has jax, jax@0\.4\.38"):
        environments_of(run, ("jax", "torch"))
