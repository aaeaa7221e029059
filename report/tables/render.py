"""Comparison tables as sections of text for people: of two sides, and of one set what stands beside its first tables.

A set's first tables are those of a run's end (benchmarks/cli/answer.py). Numbers keep sensible digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.cli import answer
from benchmarks.cli.answer import Section, plus_minus, ratio_interval
from benchmarks.errors import plain
from benchmarks.record.summary import Comparison
from benchmarks.stats import FEWEST, bound
from report.tables.compare import COMPARISON, MEDIANS
from report.tables.history import change, sentences
from report.tables.metrics import Metric

HEADINGS = {  # of columns, where it is not their name
    "framework_version": "version", "train_samples_per_s": "samples/s", "eval_samples_per_s": "eval samples/s",
    "lockstep": "verified", "interval": "95 % interval", "ratio_interval": "95 % interval of the ratio",
    "gflops_per_s": "GFLOP/s", "mfu": "MFU", "quiet_samples_per_s": "quiet samples/s", "quiet": "quiet launches",
    "roofline_share": "of the roofline", "first_eval_s": "first evaluation s", "warm_up_chunks": "warm-up chunks",
    "step_latency_p50_s": "step p50 s", "step_latency_p95_s": "p95 s", "step_latency_p99_s": "p99 s",
    "cpu_s": "CPU s", "peak_rss_bytes": "peak memory bytes", "accuracy_interval": "95 % interval",
    "difference_interval": "95 % interval of the difference", "accuracy_verdict": "verdict",
    "accuracy_target": "target", "time_to_accuracy_s": "s to target", "reached": "reached by",
    "base_interval": "95 % interval", "new_interval": "95 % interval", "times": "measured at", "changes": "changed",
    "notes": "not ok", "findable": "would be found",
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
SIDES = _headings(  # of what report/tables/between.py found; the first are there however narrow the terminal is
    "framework", "mode", "base", "new", "ratio", "ratio_interval", "findable", "times", "noisy", "difference",
    "difference_interval", "accuracy_verdict", "changes", "notes",
) | {"difference": "accuracy difference", "difference_interval": "95 % interval"}  # fmt: skip
SIDES_FIRST = ("framework", "mode", "base", "new", "ratio", "change")
BELOW = ("changes", "notes")  # told beneath a table that has no room for them
FORMATS = {
    "train_samples_per_s": "{:,.0f}", "eval_samples_per_s": "{:,.0f}", "gflops_per_s": "{:,.1f}", "mfu": "{:.1%}",
    "accuracy": "{:.4f}", "ratio": "{:.3f}", "findable": "{:.1%}", "difference": "{:+z.4f}",
    "accuracy_target": "{:.3f}", "time_to_accuracy_s": "{:,.2f}", "roofline_share": "{:.1%}",
    "quiet_samples_per_s": "{:,.0f}", "peak_rss_bytes": "{:,.0f}", "warm_up_chunks": "{:.0f}",
    **{name: "{:.2f}" for name in MEDIANS if name.endswith("_s")},
    **{name: "{:.6f}" for name in MEDIANS if name.startswith(("step_", "dispatch_"))},
}  # fmt: skip

Interval = tuple[str, str, Callable[[float, float], str], str]  # columns of bounds, the text, the number of launches
INTERVALS: dict[str, Interval] = {
    "interval": ("low", "high", plus_minus, "launches"),
    "ratio_interval": ("ratio_low", "ratio_high", ratio_interval, ""),
    "accuracy_interval": ("accuracy_low", "accuracy_high", "{:.4f}-{:.4f}".format, "seeds"),
    "difference_interval": ("difference_low", "difference_high", "{:+z.4f} to {:+z.4f}".format, ""),
}
SIDES_INTERVALS: dict[str, Interval] = {
    "ratio_interval": INTERVALS["ratio_interval"],
    "difference_interval": INTERVALS["difference_interval"],
}
NUMERIC = {*FORMATS, *INTERVALS, *answer.RIGHT, "launches", "quiet", "seeds", "reached", "base", "new", "value"} - {
    "ratio"
}


def are_several(table: pd.DataFrame) -> bool:
    """Return whether the cells of a table were measured on several kinds of machine."""
    return bool(table["machine_kind"].nunique() > 1)


def machine_of(cells: pd.DataFrame, table: pd.DataFrame) -> str:
    """Return the machine of some cells, where a table has several."""
    return str(cells["machine"].iloc[0]) if are_several(table) else ""


def front(found: Iterable[Comparison], table: pd.DataFrame, base: str | None = None) -> Iterator[Section]:
    """Yield the first tables of each comparison: each framework in its best mode, and all in the same mode."""
    for one in found:
        yield from answer.sections(one, base, one.cells[0]["machine"] if are_several(table) else "")


def sections(table: pd.DataFrame) -> Iterator[Section]:
    """Yield (title, headings, lines) per comparison of what stands beside its first tables.

    All figures of its speeds, accuracies, noise and times. Each line maps the headings' columns to text.
    """
    for _, group in table.groupby(COMPARISON, sort=False):
        shared = answer.title(dict(group.iloc[0]), machine_of(group, table))
        trained = group[group["seeds"].notna()].sort_values(["framework", "mode"])
        references = trained["difference_to"].dropna()
        to = f", differences to {plain(references.iloc[0])}" if len(references) else ""
        timed = group[group["launches"] > 0]
        for named, headings, cells in (
            (f"{shared}: all modes", SPEEDS, group),
            (f"{shared}: accuracy{to}", ACCURACIES, trained),
            (f"{shared}: with and without noisy launches", NOISE, timed),
            (f"{shared}: what is not in the speed, medians over launches", TIMES, timed),
        ):
            if len(cells):
                yield named, headings, [_line(record, headings) for record in cells.to_dict("records")]


def sides(table: pd.DataFrame, asked: Metric, names: tuple[str, str] = ("BASE", "NEW")) -> Iterator[Section]:
    """Yield a section per comparison, and one of what changed in all cells alike; `names` are the sides' names."""
    everywhere = _common(table)
    headings = SIDES | dict(zip(("base", "new"), names, strict=True))
    unit = f" ({asked.column.unit})" if asked.column.unit else ""
    for _, group in table.rename(columns={"base_middle": "base", "new_middle": "new"}).groupby(COMPARISON, sort=False):
        lines = [_side_line(record, asked, everywhere) for record in group.to_dict("records")]
        shared = answer.title(dict(group.iloc[0]), machine_of(group, table))
        yield f"{shared}: {asked.name}{unit}", headings, lines
    if everywhere:
        yield "Changed in every cell of both sides", {"change": "change"}, [{"change": plain(c)} for c in everywhere]


SESSIONS = _headings("framework", "mode", "day", "version", "commit", "value", "launches", "step", "changes")
SESSIONS_FIRST = ("framework", "mode", "day", "value", "step")


def sessions(table: pd.DataFrame, asked: Metric) -> Iterator[Section]:
    """Yield a section per comparison of what report/tables/history.py found, a line per cell and session."""
    headings = SESSIONS | {"value": asked.column.unit or asked.name}
    for _, group in table.groupby(COMPARISON, sort=False):
        shared = answer.title(dict(group.iloc[0]), machine_of(group, table))
        yield f"{shared}: {asked.name}", headings, [_session(record, asked) for record in group.to_dict("records")]


def findings(table: pd.DataFrame) -> Section:
    """Return the section of what was found in each of these cells, or how small a step would have been found."""
    return "Steps", {"found": "found"}, [{"found": words} for words in sentences(table)]


def _session(record: dict[Any, Any], asked: Metric) -> dict[str, str]:
    """Return the figures of one cell in one session as text."""
    commit = record.get("commit")
    return {name: plain(str(record[name])) for name in ("framework", "mode", "launches", "changes")} | {
        "day": plain(record["day"] or record["session"]),
        "version": plain(str(record["framework_version"])) if pd.notna(record["framework_version"]) else "",
        "commit": plain(str(commit)[:7]) if pd.notna(commit) else "",
        "value": _with_reach(asked.form.format(record["middle"]), record),
        "step": change(record) if pd.notna(record["step"]) else "",
    }


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
    line = _line(record, SIDES, FORMATS | {"base": asked.form, "new": asked.form}, SIDES_INTERVALS)
    for side in ("base", "new"):
        line[side] = _with_reach(line[side], record, f"{side}_")
    ratio = bound(record["ratio"]) if pd.notna(record["ratio"]) else ""
    return line | {"ratio": plain(f"{ratio} {record['verdict'] or ''}".strip())}


def _with_reach(value: str, record: dict[Any, Any], prefix: str = "") -> str:
    """Return a value with the reach of its interval, or how many launches where these are too few.

    `prefix` begins the names of its bounds and launches.
    """
    if pd.notna(record[f"{prefix}low"]):
        return f"{value} {plus_minus(record[f'{prefix}low'], record[f'{prefix}high'])}"
    few = 0 < record[f"{prefix}launches"] < FEWEST
    return f"{value} (n = {record[f'{prefix}launches']})" if few and value else value


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
