"""The data sets a sweep trains on: strict readers, pinned sources, and files that workers map into memory.

    sources | own -> formats -> content -> prepared

Everything is checked here, before any cell starts; a worker only maps four arrays of the right shape.
"""

from __future__ import annotations

from benchmarks.plan.data.dataset import Dataset
from benchmarks.plan.data.prepared import Prepared, prepare
from benchmarks.plan.data.sources import NAMES

__all__ = ["NAMES", "Dataset", "Prepared", "prepare"]
