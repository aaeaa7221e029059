"""Comparison tables as sections of text for people: of one set, and of two sides. Numbers keep sensible digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.cli.terminal import DATA
from benchmarks.errors import plain, threads
from benchmarks.stats import FEWEST, bound
from report.formats import Section
from report.tables.compare import COMPARISON, MEDIANS
from report.tables.metrics import Metric

HEADINGS = {  # of columns, where it is not their name
    "framework_version": "version", "train_samples_per_s": "train samples/s", "eval_samples_per_s": "eval samples/s",
    "interval": "95 % interval", "ratio_interval": "95 % interval of the ratio", "gflops_per_s": "GFLOP/s",
    "mfu": "MFU", "quiet_samples_per_s": "quiet samples/s", "quiet": "quiet launches",
    "roofline_share": "of the roofline", "first_eval_s": "first evaluation s", "warm_up_chunks": "warm-up chunks",
    "step_latency_p50_s": "step p50 s", "step_latency_p95_s": "p95 s", "step_latency_p99_s": "p99 s",
    "cpu_s": "CPU s", "peak_rss_bytes": "peak memory bytes", "accuracy_interval": "95 % interval",
    "difference_interval": "95 % interval of the difference", "accuracy_verdict": "verdict",
    "accuracy_target": "target", "time_to_accuracy_s": "s to target", "reached": "reached by",
    "base_interval": "95 % interval", "new_interval": "95 % interval", "times": "measured at", "changes": "changed",
    "notes": "not ok",
}  # fmt: skip


def _headings(*columns: str) -> dict[str, str]:
    """Return each column's heading."""
    return {name: HEADINGS.get(name, name.replace("_", " ")) for name in columns}


SPEEDS = _headings(
    "framework", "framework_version", "mode", "launches", "train_samples_per_s", "interval", "ratio", "ratio_interval",
    "verdict", "gflops_per_s", "mfu", "eval_samples_per_s", "accuracy", "lockstep", "status",
)  # fmt: skip
NOISE = _headings(
    "framework", "mode", "train_samples_per_s", "launches", "quiet_samples_per_s", "quiet", "flags", "mfu",
    "roofline_share",
)  # fmt: skip
TIMES = _headings("framework", "mode", *(name for name in MEDIANS if name != "peak_rss_bytes"), "peak_rss_bytes")
ACCURACIES = _headings(
    "framework", "framework_version", "mode", "seeds", "accuracy", "accuracy_interval", "difference",
    "difference_interval", "accuracy_verdict", "accuracy_target", "time_to_accuracy_s", "reached", "lockstep",
)  # fmt: skip
SIDES = _headings(  # of what report/tables/between.py found
    "framework", "mode", "base", "base_interval", "new", "new_interval", "ratio", "ratio_interval", "verdict", "times",
    "noisy", "difference", "difference_interval", "accuracy_verdict", "changes", "notes",
) | {"difference": "accuracy difference", "difference_interval": "95 % interval"}  # fmt: skip
OPTIONAL = ("noisy", "difference", "difference_interval", "accuracy_verdict", "changes", "notes")  # not where empty
FORMATS = {
    "train_samples_per_s": "{:,.0f}", "eval_samples_per_s": "{:,.0f}", "gflops_per_s": "{:,.1f}", "mfu": "{:.1%}",
    "accuracy": "{:.4f}", "ratio": "{:.3f}", "difference": "{:+z.4f}",
    "accuracy_target": "{:.3f}", "time_to_accuracy_s": "{:,.2f}", "roofline_share": "{:.1%}",
    "quiet_samples_per_s": "{:,.0f}", "peak_rss_bytes": "{:,.0f}", "warm_up_chunks": "{:.0f}",
    **{name: "{:.2f}" for name in MEDIANS if name.endswith("_s")},
    **{name: "{:.6f}" for name in MEDIANS if name.startswith(("step_", "dispatch_"))},
}  # fmt: skip

Interval = tuple[str, str, Callable[[float, float], str], str]  # columns of bounds, the text, the number of launches
INTERVALS: dict[str, Interval] = {
    "interval": ("low", "high", "{:,.0f}-{:,.0f}".format, "launches"),
    "ratio_interval": ("ratio_low", "ratio_high", lambda low, high: f"{bound(low)}-{bound(high)}", ""),
    "accuracy_interval": ("accuracy_low", "accuracy_high", "{:.4f}-{:.4f}".format, "seeds"),
    "difference_interval": ("difference_low", "difference_high", "{:+z.4f} to {:+z.4f}".format, ""),
}
SIDES_INTERVALS: dict[str, Interval] = {
    "ratio_interval": ("ratio_low", "ratio_high", lambda low, high: f"{bound(low)} to {bound(high)}", ""),
    "difference_interval": INTERVALS["difference_interval"],
}
NUMERIC = {
    *FORMATS, *INTERVALS, "launches", "quiet", "seeds", "reached", "base", "base_interval", "new", "new_interval",
}  # fmt: skip


def title(group: pd.DataFrame, several: bool = False) -> str:
    """Return one line that says what a comparison's cells share; the machine's kind where a table has several."""
    values = group.iloc[0]
    where = f"; on {values['machine']}" if several else ""
    return plain(
        f"{values['model']} ({values['recipe']} recipe), {values['dataset']}, batch {values['batch_size']}, "
        f"{values['dtype']}, {values['device']} ({values['device_name']}), {threads(values['threads'])}, "
        f"{DATA[values['input']]}{where}"
    )


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
        trained = group[group["seeds"].notna()].sort_values(["framework", "mode"])
        references = trained["difference_to"].dropna()
        to = f", differences to {plain(references.iloc[0])}" if len(references) else ""
        timed = group[group["launches"] > 0]
        for named, headings, cells in (
            (shared, SPEEDS, group),
            (f"{shared}: accuracy{to}", ACCURACIES, trained),
            (f"{shared}: with and without noisy launches", NOISE, timed),
            (f"{shared}: what is not in the speed, medians over launches", TIMES, timed),
        ):
            if len(cells):
                yield named, headings, [_line(record, headings) for record in cells.to_dict("records")]


def sides(table: pd.DataFrame, asked: Metric, names: tuple[str, str] = ("BASE", "NEW")) -> Iterator[Section]:
    """Yield a section per comparison, and one of what changed in all cells alike; `names` are the sides' names."""
    everywhere = _common(table)
    named = SIDES | dict(zip(("base", "new"), names, strict=True))
    unit = f" ({asked.column.unit})" if asked.column.unit else ""
    several = are_several(table)
    for _, group in table.rename(columns={"base_middle": "base", "new_middle": "new"}).groupby(COMPARISON, sort=False):
        lines = [_side_line(record, asked, everywhere) for record in group.to_dict("records")]
        headings = {
            name: heading
            for name, heading in named.items()
            if name not in OPTIONAL or any(cells[name] for cells in lines)
        }
        yield f"{title(group, several)}: {asked.name}{unit}", headings, lines
    if everywhere:
        yield "Changed in every cell of both sides", {"change": "change"}, [{"change": plain(c)} for c in everywhere]


def _common(table: pd.DataFrame) -> list[str]:
    """Return the changes that all cells of both sides share, if there are several."""
    both = table[(table["base_framework"].notna()) & (table["times"] != "")]
    found = [words.split("; ") if words else [] for words in both["changes"]]
    return [change for change in found[0] if all(change in other for other in found[1:])] if len(found) > 1 else []


def _side_line(record: dict[Any, Any], asked: Metric, everywhere: list[str]) -> dict[str, str]:
    """Return the figures of one cell on both sides as text, without the changes that stand elsewhere."""
    if record["base_noisy"] or record["new_noisy"]:
        record["noisy"] = " and ".join(f"{record[f'{s}_noisy']}/{record[f'{s}_launches']}" for s in ("base", "new"))
    record["changes"] = "; ".join(change for change in record["changes"].split("; ") if change not in everywhere)
    form = asked.form
    bounds: dict[str, Interval] = {
        f"{side}_interval": (f"{side}_low", f"{side}_high", f"{form} to {form}".format, f"{side}_launches")
        for side in ("base", "new")
    }
    return _line(record, SIDES, FORMATS | {"base": form, "new": form}, SIDES_INTERVALS | bounds)


def _line(
    record: dict[Any, Any],
    headings: Mapping[str, str],
    forms: Mapping[str, str] = FORMATS,
    intervals: Mapping[str, Interval] = INTERVALS,
) -> dict[str, str]:
    """Return one cell's figures as text, empty where there is none; `n = 2` for the interval of two launches."""
    shown = {name: forms.get(name, "{}").format(value) for name, value in record.items() if pd.notna(value)}
    for name, (low, high, text, launches) in intervals.items():
        if pd.notna(record[low]):
            shown[name] = text(record[low], record[high])
        elif launches and pd.notna(record[launches]) and 0 < record[launches] < FEWEST:
            shown[name] = f"n = {record[launches]}"
    if "reached" in shown:
        shown["reached"] += f"/{record['seeds']}"
    return {name: plain(shown.get(name, "")) for name in headings}
