"""A valid line of each kind but rows, with every field that its table has."""

from __future__ import annotations

from adapters.networks import declared
from adapters.recipes import RECIPES

CELL = {
    "recipe": "mlp", "dataset": "mnist-5k", "device": "cpu", "batch_size": 100, "dtype": "float32", "threads": 2,
    "input": "preloaded",
}  # fmt: skip
CEILING = {"device": "cpu", "dtype": "float32", "threads": 2, "peak_flops_per_s": 1e11, "bandwidths": [[1024, 1e10]]}
VERDICT = {
    "steps": 200, "float64_deviation": 1e-15, "by_step": {"1": 0.0, "200": 1e-15}, "deviations": {"loss": None},
    "oracle_sha256": "0" * 64,
}  # fmt: skip
ENVIRONMENT = {
    "lock": "0" * 16, "versions": {"torch": "2"}, "system_packages": {"clang": "clang 14"},
    "numeric_libraries": ["a.so"], "kernels": "torch AVX2",
    "denormals": "kept",
}  # fmt: skip
RECORDS = {
    "run": {
        "sweep": "20260101T000000-abcdef", "machine": {"cpu": "A processor", "caches": {"L1": "32K"}},
        "machine_kind": "abc", "code": "0" * 16, "commit": "0" * 12, "python": "3.11.7",
        "frameworks": {"torch-cpu": ENVIRONMENT}, "data": {"mnist-5k": "0" * 64},
        "ceilings": [CEILING], "worker_variables": {"A": "b"}, "openblas_coretype": "not set",
        "preset": {"rounds": 3}, "seed": 0, "resumes": ["20250101T000000-abcdef"],
        "requested": {"cells": 1, "launches": 4}, "part_of": "20260101T000000-abcdef",
        "engine": {"name": "dask", "members": ["20260101T000000-abcdef.m01"]},
    },
    "end": {"wall_s": {"import": 1.0}},
    "stop": {**CELL, "rounds": 3, "reason": "time cap", "half_width": 0.5},
    "proof": {
        **CELL, "framework": "torch", "mode": "eager", "revision": "", "lockstep": "pass", "reason": "",
        "verdict": VERDICT,
    },
    "dataset": {
        "name": "mnist-5k", "sha256": "0" * 64, "train_counts": [400] * 10, "test_counts": [100] * 10, "height": 28,
        "width": 28, "channels": 1, "class_names": ["nought"], "samples": ["AAAA"],
    },
    "network": {"name": "mlp", "declaration": declared(RECIPES["mlp"])},
    "image": {"dataset": "mnist-5k", "sha256": "0" * 64, "index": 7, "label": 3, "pixels": "AAAA"},
}  # fmt: skip
