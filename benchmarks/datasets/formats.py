"""Strict readers of the three formats that tutorials use for handwritten digits.

A file is data from a stranger: no reader reserves memory for what a header claims, each keeps at most
MAX_IMAGES images, and each error is one line with the file, the place, what was expected and what was found.
"""

from __future__ import annotations

from benchmarks.datasets.format_csv import read_csv
from benchmarks.datasets.format_idx import read_idx
from benchmarks.datasets.format_json import read_json

__all__ = ["read_csv", "read_idx", "read_json"]
