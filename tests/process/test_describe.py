"""`describe` as a program calls it."""

from __future__ import annotations

import json
import subprocess
import sys


def test_describe_prints_json_for_programs():
    command = [sys.executable, "-m", "benchmarks", "info", "describe", "cnn_20_20", "--batch-size", "100", "--json"]
    described = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    convolutions = [layer for layer in described["layers"] if layer["layer"] == "Conv2D"]
    assert [layer["forward_flops"] for layer in convolutions] == [78_400_000, 392_000_000]
    assert convolutions[0]["weight_shape"] == [20, 1, 5, 5]
    assert convolutions[0]["output_shape"] == [20, 28, 28]
