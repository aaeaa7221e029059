"""Comparison tables in the forms people read: terminal, Markdown. Numbers keep sensible digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich.table import Table

from benchmarks.cli.terminal import DATA
from benchmarks.errors import plain, threads
from report.export import formats
from report.export.formats import Section
from report.tables.compare import COMPARISON

HEADINGS = {
    "framework": "framework",
    "framework_version": "version",
    "mode": "mode",
    "launches": "launches",
    "train_samples_per_s": "train samples/s",
    "interval": "95 % interval",
    "ratio": "ratio",
    "ratio_interval": "95 % interval of the ratio",
    "verdict": "verdict",
    "gflops_per_s": "GFLOP/s",
    "mfu": "MFU",
    "eval_samples_per_s": "eval samples/s",
    "accuracy": "accuracy",
    "lockstep": "lockstep",
    "status": "status",
}
NOISE_HEADINGS = {
    "framework": "framework",
    "mode": "mode",
    "train_samples_per_s": "train samples/s",
    "launches": "launches",
    "quiet_samples_per_s": "quiet samples/s",
    "quiet": "quiet launches",
    "flags": "flags",
    "mfu": "MFU",
    "roofline_share": "of the roofline",
}
TIMES_HEADINGS = {
    "framework": "framework",
    "mode": "mode",
    "start_s": "start s",
    "import_s": "import s",
    "build_s": "build s",
    "placing_s": "placing s",
    "first_step_s": "first step s",
    "first_eval_s": "first evaluation s",
    "warm_up_chunks": "warm-up chunks",
    "step_latency_p50_s": "step p50 s",
    "step_latency_p95_s": "p95 s",
    "step_latency_p99_s": "p99 s",
    "dispatch_s": "dispatch s",
    "cpu_s": "CPU s",
    "peak_rss_bytes": "peak memory bytes",
}
ACCURACY_HEADINGS = {
    "framework": "framework",
    "framework_version": "version",
    "mode": "mode",
    "seeds": "seeds",
    "accuracy": "accuracy",
    "accuracy_interval": "95 % interval",
    "difference": "difference",
    "difference_interval": "95 % interval of the difference",
    "accuracy_verdict": "verdict",
    "accuracy_target": "target",
    "time_to_accuracy_s": "s to target",
    "reached": "reached by",
    "lockstep": "lockstep",
}
FORMATS = {
    "train_samples_per_s": "{:,.0f}", "eval_samples_per_s": "{:,.0f}", "gflops_per_s": "{:,.1f}", "mfu": "{:.1%}",
    "accuracy": "{:.4f}", "ratio": "{:.3f}", "difference": "{:+z.4f}",
    "accuracy_target": "{:.3f}", "time_to_accuracy_s": "{:,.2f}", "roofline_share": "{:.1%}",
    "quiet_samples_per_s": "{:,.0f}", "peak_rss_bytes": "{:,.0f}", "warm_up_chunks": "{:.0f}",
    **{name: "{:.2f}" for name in TIMES_HEADINGS if name.endswith("_s")},
    **{name: "{:.6f}" for name in TIMES_HEADINGS if name.startswith(("step_", "dispatch_"))},
}  # fmt: skip


INTERVALS = {  # column: columns of its bounds, and how one is written
    "interval": ("low", "high", "{:,.0f}-{:,.0f}"),
    "ratio_interval": ("ratio_low", "ratio_high", "{:.3f}-{:.3f}"),
    "accuracy_interval": ("accuracy_low", "accuracy_high", "{:.4f}-{:.4f}"),
    "difference_interval": ("difference_low", "difference_high", "{:+z.4f} to {:+z.4f}"),
}
NUMERIC = {*FORMATS, *INTERVALS, "launches", "quiet", "seeds", "reached"}


def title(group: pd.DataFrame, several: bool = False) -> str:
    """Return one line that says what a comparison's cells share; the machine's kind where a table has several."""
    values = group.iloc[0]
    where = f"; on {machine_of(values)}" if several else ""
    return plain(
        f"{values['model']} ({values['recipe']} recipe), {values['dataset']}, batch {values['batch_size']}, "
        f"{values['dtype']}, {values['device']} ({values['device_name']}), {threads(values['threads'])}, "
        f"{DATA[values['input']]}{where}"
    )


def machine_of(values: Mapping[Any, Any] | pd.Series[Any]) -> str:
    """Return the name of a cell's kind of machine, the kind's hash in a frame without names."""
    found = values.get("machine")
    return str(values["machine_kind"] if found is None or pd.isna(found) else found)


def are_several(table: pd.DataFrame) -> bool:
    """Return whether the cells of a table were measured on several kinds of machine."""
    return bool(table["machine_kind"].nunique() > 1)


def sections(table: pd.DataFrame) -> Iterator[Section]:
    """Yield (title, headings, lines) per comparison: of its speeds, accuracies, noise and times.

    Each line maps the headings' columns to text.
    """
    several = are_several(table)
    for _, group in table.groupby(COMPARISON, sort=False):
        shared = title(group, several)
        yield shared, HEADINGS, [_line(record, HEADINGS) for record in group.to_dict("records")]
        trained = group[group["seeds"].notna()].sort_values(["framework", "mode"])
        if len(trained):
            reference = trained["difference_to"].dropna()
            to = f", differences to {plain(reference.iloc[0])}" if len(reference) else ""
            lines = [_line(record, ACCURACY_HEADINGS) for record in trained.to_dict("records")]
            yield f"{shared}: accuracy{to}", ACCURACY_HEADINGS, lines
        timed = group[group["launches"] > 0]
        if len(timed):
            lines = [_line(record, NOISE_HEADINGS) for record in timed.to_dict("records")]
            yield f"{shared}: with and without noisy launches", NOISE_HEADINGS, lines
            lines = [_line(record, TIMES_HEADINGS) for record in timed.to_dict("records")]
            yield f"{shared}: what is not in the speed, medians over launches", TIMES_HEADINGS, lines


def _line(record: dict[Any, Any], headings: dict[str, str]) -> dict[str, str]:
    """Return one cell's figures as text, empty where there is none."""
    shown = {name: FORMATS.get(name, "{}").format(value) for name, value in record.items() if pd.notna(value)}
    for name, (low, high, form) in INTERVALS.items():
        if pd.notna(record[low]):
            shown[name] = form.format(record[low], record[high])
    if "reached" in shown:
        shown["reached"] += f"/{record['seeds']}"
    return {name: plain(shown.get(name, "")) for name in headings}


def _as_tables(table: pd.DataFrame) -> Iterator[Table]:
    """Yield the terminal's tables, up to four per comparison."""
    return formats.terminal(sections(table), NUMERIC)


def _as_markdown(table: pd.DataFrame) -> str:
    """Return Markdown, a heading for each table; what a row says cannot end a table cell."""
    return formats.markdown(sections(table))
