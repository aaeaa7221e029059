"""Which columns of a row can be compared from launch to launch, and which way is better.

A name says it: `_per_s` is a speed, any other `_s` a time, `_bytes` memory. What has no better way is only higher or
lower, and no gate can fail on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.errors import UsageError
from benchmarks.plan.typed import nearest
from benchmarks.record.schema import COLUMNS, Column

DEFAULT = "train_samples_per_s"
AXES = ("schema_version", "batch_size", "threads", "round", "seed")  # numbers that say what was measured
ACCURACY = ("accuracy", "train_accuracy")  # differences matter, not ratios: stats.judged_accuracies judges them
LEARNT = (*ACCURACY, "loss", "epochs", "accuracy_target", "time_to_accuracy_s")  # of accuracy launches
HIGHER = (*ACCURACY, "mfu", "roofline_share")
LOWER = ("loss", "lockstep_max_deviation", "lockstep_float64_deviation", "stolen_share", "foreign_share")


@dataclass(frozen=True)
class Metric:
    """A numeric column: `above` and `below` are what a ratio over and under 1 is called, `worse` is one or neither."""

    column: Column
    above: str
    below: str
    worse: str = ""

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def task(self) -> str:
        return "accuracy" if self.name in LEARNT else "speed"

    @property
    def rising(self) -> bool:
        """Return whether the largest value is the best, or counts as such."""
        return self.worse != self.above

    @property
    def judged(self) -> bool:
        """Return whether a ratio within 3 % of 1 is no difference that matters; of accuracies it may be one."""
        return self.name not in ACCURACY

    @property
    def pace(self) -> int:
        """Return the power of the machine's pace that a value goes with: 1 of a speed, -1 of a time, else 0."""
        return 1 if self.name.endswith("_per_s") else -1 if self.name.endswith("_s") else 0

    @property
    def form(self) -> str:
        """Return the format that keeps sensible digits of a value."""
        return "{:,.0f}" if self.column.kind == "int" or "_per_s" in self.name else "{:,.4g}"


def _described(column: Column) -> Metric:
    """Return a column with the words for its ratios."""
    if column.name.endswith("_per_s"):
        return Metric(column, "faster", "slower", worse="slower")
    if column.name.endswith("_s"):
        return Metric(column, "slower", "faster", worse="slower")
    if column.name.endswith("_bytes") or column.name in LOWER:
        return Metric(column, "worse", "better", worse="worse")
    if column.name in HIGHER:
        return Metric(column, "better", "worse", worse="worse")
    return Metric(column, "higher", "lower")


METRICS = {  # every column that can be compared, by its name
    column.name: _described(column) for column in COLUMNS if column.kind in ("int", "float") and column.name not in AXES
}


def metric(name: str) -> Metric:
    """Return the metric of this name; UsageError names the nearest and lists all."""
    if name not in METRICS:
        raise UsageError(f"--metric {name}: no numeric column of a row{nearest(name, list(METRICS))}")
    return METRICS[name]
