"""May what others measured be shown? No number without its machine, its lock and its proof.

A folder of submissions has a folder for each submitter, with the results files as they were written. A launch that
ended ok is judged by itself: by the record of its sweep, by the gate's verdict on its cell, and, where it has a speed,
by the replay of its own timed steps. A sweep is its first submitter's; a copy in another folder is not shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.checks import Finding
from benchmarks.errors import count, plain
from benchmarks.record.schema import BY_NAME, VERIFIED, names
from benchmarks.record.store import submissions
from report.results.load import EACH, framed, parts_of, records, wanted, with_derived
from report.tables.groups import equal

READ = names(  # what is judged, beside load.KEYS
    "train_samples_per_s", "lockstep", "lockstep_max_deviation", "oracle_sha256", "replayed_steps", "replay_deviation",
)  # fmt: skip
NO_MACHINE, NO_LOCK = "no record of its machine", "no lock and no list of packages"
NO_PROOF, NO_REPLAY = "no proof that passes", "no replay of its timed steps"


def read(results: Path, columns: Sequence[str] = READ) -> pd.DataFrame:
    """Return all launches as load does with `columns`, and two more: `submitter`, the folder, and `why`.

    `why` says why a launch may not be shown; it is "" where it may, as one without a figure always may.
    """
    parts = parts_of(results / EACH, [name for name in wanted([*columns, *READ]) if name in BY_NAME])
    frame = framed(with_derived(parts), wanted([*columns, *READ]), categories=False)
    whose = np.repeat([sweep.path.parent.name for _, sweep in parts], [len(table) for table, _ in parts])
    runs = {(sweep.path.parent.name, str(sweep.run.get("sweep"))): sweep.run for _, sweep in parts}
    frame["submitter"] = pd.Series(whose, frame.index, object)
    return frame.assign(why=_reasons(frame, runs))


def _reasons(frame: pd.DataFrame, runs: Mapping[tuple[str, str], Mapping[str, Any]]) -> pd.Series:
    """Return for each launch why it may not be shown; `runs` are the sweeps' records by submitter and name."""
    first = frame.groupby("sweep")["submitter"].min()
    axes = ["submitter", "sweep", "framework", "device"]
    lacks = {
        key: f"a copy of {first[key[1]]}'s sweep" if key[0] != first[key[1]] else _lack(runs.get(key[:2], {}), *key[2:])
        for key in frame[axes].drop_duplicates().itertuples(index=False, name=None)
    }
    found = pd.Series([lacks[key] for key in frame[axes].itertuples(index=False, name=None)], frame.index, object)
    proven = frame["lockstep"].isin(VERIFIED) & frame["lockstep_max_deviation"].notna() & frame["oracle_sha256"].notna()
    replayed = (frame["replayed_steps"].fillna(0) > 0) & frame["replay_deviation"].notna()
    has_speed = frame["train_samples_per_s"].notna()
    found = found.mask((found == "") & ~proven, NO_PROOF)
    found = found.mask((found == "") & has_speed & ~replayed, NO_REPLAY)
    return found.where(equal(frame["status"], "ok") | has_speed.to_numpy(bool), "")


def _lack(run: Mapping[str, Any], framework: str, device: str) -> str:
    """Return what a sweep's record lacks of the machine and of a framework's environment."""
    cpu = run.get("machine", {}).get("cpu")
    if not isinstance(cpu, str) or not cpu.strip() or not run.get("machine_kind"):
        return NO_MACHINE
    environments = run.get("frameworks", {})
    facts = (
        environments.get(f"{framework}-{device}") or environments.get(f"{framework}-{device.partition(':')[0]}") or {}
    )
    return "" if facts.get("lock") or facts.get("packages") else NO_LOCK


def findings(results: Path) -> list[Finding]:
    """Return a finding for each submission: what it shows, or why not all of it can be shown."""
    frame, damage = read(results), defaultdict[str, list[str]](list)
    for sweep in records(results / EACH):
        damage[sweep.path.parent.name] += sweep.problems
    names_of = [folder.name for folder in submissions(results)]
    return [_finding(name, frame[frame["submitter"] == name], damage[name]) for name in names_of]


def _finding(name: str, rows: pd.DataFrame, damage: Sequence[str]) -> Finding:
    """Return whether a submission can be shown, with the first reason why not and how many launches have one."""
    what, wrong, launches = plain(name), rows[rows["why"] != ""], count(len(rows), "launch", "launches")
    speeds = int(rows["train_samples_per_s"].notna().sum())
    if damage:
        more = f"; and {len(damage) - 1:,} more such lines" if len(damage) > 1 else ""
        return Finding("error", what, plain(damage[0]) + more, "send the files as they were written")
    if len(wrong):
        words = f"{len(wrong):,} of {launches} cannot be shown, the first: {wrong['why'].iloc[0]}: "
        advice = "measure it again with a current Lockstep and send the new files"
        return Finding("error", what, plain(words + _named(wrong.iloc[0])), advice)
    if not speeds:
        return Finding("error", what, "no speed in it", "send the results files of a sweep")
    return Finding("ok", what, f"{launches}, {speeds:,} of them with a speed, can be shown")


def _named(row: Any) -> str:
    """Return a launch for people."""
    cell = f"{row['framework']} {row['recipe']} batch {row['batch_size']} {row['mode']}"
    return f"{cell}, {row['task']} round {row['round']}"


def showable(results: Path, columns: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the launches that may be shown, as load does with `columns`, and a line for each folder with others."""
    frame = read(results, columns)
    left_out = frame[frame["why"] != ""]
    words = [
        plain(f"{name}: {count(len(rows), 'launch', 'launches')} left out, the first: {rows['why'].iloc[0]}")
        for name, rows in left_out.groupby("submitter")
    ]
    return frame.loc[frame["why"] == "", wanted(columns)].reset_index(drop=True), words
