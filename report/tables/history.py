"""The speed of each cell from session to session, and the steps in it: since when is it slower, by how much?

A session is one sample here, whatever it holds of launches: two nights on one machine differ by more than their
launches do, so that intervals over launches say nothing about a step. Steps are found in the logarithms of the
sessions' geometric means: for each number of steps up to one in PER_STEP sessions the segmentation with the least
squares (exact, by dynamic programming: ruptures, Truong et al. 2020, Signal Processing 167), and of these the one with
the least n log(squares) + steps * penalty (Yao 1988, Statistics & Probability Letters 6). That needs no noise to be
known beforehand, and the penalty alone decides how often a step is found where there is none: PENALTIES.

A machine that drifts makes steps of its own. Its canary, a fixed piece of work before each launch, tells of them: the
logarithms are searched as they are, and with the canary's change from session to session taken out of them (a known
offset, so that costs compare), and those that cost less count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import UsageError, count, plain
from benchmarks.record.store import SweepFile
from benchmarks.stats import CONFIDENCE, Floats, Means, Numbers, shift_found
from report.tables import intervals
from report.tables.between import changes
from report.tables.compare import CELL, in_order, own_rows
from report.tables.groups import floats, number
from report.tables.metrics import DEFAULT, metric
from report.tables.sides import READ, origins, side

COLUMNS = [*READ, "started_at"]  # beside load.KEYS and the metric
FEWEST_SESSIONS = 5  # of a cell, below which no step is looked for
MOST_SESSIONS = 200  # of a cell in which steps are looked for, the newest; the penalty is known up to here
SHORTEST = 2  # sessions between two steps: one strange session is no step
PER_STEP = 5
ROUNDING = 1e-18  # of a square, which is what is left of equal values
# By number of sessions: the penalty at which a step is found in 5 % of cells without one, and what it grows by where
# that shall be e times as rare. From 50,000 series of normal noise each: `tests/studies/history.py --penalties`.
PENALTIES = {
    5: (9.76, 3.40), 6: (9.48, 3.21), 7: (9.45, 2.71), 8: (9.30, 2.58), 9: (9.22, 2.58), 10: (9.45, 2.48),
    12: (9.38, 2.44), 15: (9.26, 2.17), 20: (9.42, 2.17), 25: (9.41, 2.18), 30: (9.43, 2.13), 40: (9.54, 2.15),
    60: (9.71, 2.01), 100: (10.03, 2.03), 200: (10.55, 2.01),
}  # fmt: skip


def history(frame: pd.DataFrame, name: str = DEFAULT, records: Iterable[SweepFile] = ()) -> pd.DataFrame:
    """Return one line per session of each cell that several sessions measured, oldest first.

    `frame` is as load gives it, with COLUMNS; `records` are its sweeps, for what changed. Columns: CELL, machine,
    session, `day` (of its last launch), framework_version, commit; middle of the metric `name`, the geometric mean over
    `launches`, with low and high, its 95 % interval over them; `sessions` of the cell that have a value.
    Of cells with FEWEST_SESSIONS also: `level`, the geometric mean of the sessions between two steps; `noise`, the
    standard deviation of log means about it; `smallest`, the share by which a step in the middle of the sessions must
    slow a cell down to be found nine times in ten; `steadied`, whether the machine's own drift, as its canary tells it,
    is taken out of all these. The session that begins a step has `step`, the ratio of the levels after and before it,
    with step_low, step_high, and `changes`, what differs between it and the session before.
    In 95 % of tables without a step none is found, and steps' intervals are simultaneous. UsageError for an unknown
    metric, and where no cell has two sessions.
    """
    asked, keys = metric(name), [*CELL, "session"]
    found = side(own_rows(frame), asked, origins(records), ["started_at"], keys)
    sums = intervals.summary(found.launches, len(found.cells))
    cells = found.cells.join(sums).rename(columns={"n": "launches"})
    cells = cells[cells["middle"].notna()].assign(series=lambda lines: number(lines, CELL))
    cells = cells.sort_values(["series", "session"], kind="stable").reset_index(drop=True)
    cells["sessions"] = cells.groupby("series")["session"].transform("size").astype("Int64")
    cells = cells[cells["sessions"] > 1].reset_index(drop=True)
    if cells.empty:
        raise UsageError(f"no configuration with {name} in two sessions; measure again later, into the same folder")
    cells["day"] = cells["started_at"].str[:10].fillna("")
    table = cells[[*keys, "machine", "day", "framework_version", *(c for c in ["commit"] if c in cells)]]
    table = table.join(cells[["middle", "low", "high"]].astype("Float64"))
    table = table.join(cells[["launches", "sessions"]].astype("Int64"))
    table = table.join(_with_steps(cells, asked.pace))
    begins = np.flatnonzero(table["step"].notna())
    words = changes(*(cells.loc[places].reset_index(drop=True) for places in (begins - 1, begins)))
    table["changes"] = pd.Series(words.to_numpy(), begins, "string").reindex(table.index).fillna("")
    return in_order(table, {"framework": True, "mode": True, "session": True})


OF_A_CELL = ["noise", "smallest"]
FIGURES = ["level", *OF_A_CELL, "step", "step_low", "step_high"]


def _with_steps(cells: pd.DataFrame, pace: int) -> pd.DataFrame:
    """Return FIGURES and `steadied` of each line; `mean` are the logarithms of the sessions of a `series`, in order.

    `pace` is the power of the machine's pace that values go with.
    """
    logs, found = floats(cells["mean"]), {name: np.full(len(cells), np.nan) for name in FIGURES}
    steadied = np.zeros(len(cells), bool)
    canary = floats(cells["canary_s"])
    drift = pace * np.log(np.where((canary > 0) & (pace != 0), canary, np.nan))
    known = np.flatnonzero(~np.isnan(logs))
    ends = np.flatnonzero(np.diff(cells["series"].to_numpy()[known])) + 1
    groups = [places[-MOST_SESSIONS:] for places in np.split(known, ends) if len(places) >= FEWEST_SESSIONS]
    alpha = 1 - CONFIDENCE ** (1 / max(1, len(groups)))  # Sidak's, as stats.simultaneous
    begun = [(places, *_searched(logs[places], drift[places], alpha)) for places in groups]
    confidence = CONFIDENCE ** (1 / max(1, sum(len(begins) for _, _, begins in begun)))
    for places, steady, begins in begun:
        steadied[places] = steady is not None
        values = logs[places] if steady is None else steady
        levels, noise = _levels(values, begins)
        found["level"][places], found["noise"][places] = np.exp(levels), noise
        found["smallest"][places] = -np.expm1(-_findable(len(places), noise, alpha))
        if len(begins):
            sizes = _sizes(values, begins, noise)
            for name, figures in zip(FIGURES[-3:], (sizes.mean, *sizes.bounds(confidence)), strict=True):
                found[name][places[begins]] = np.exp(figures)
    table = pd.DataFrame(found, cells.index).assign(steadied=steadied)
    of_cells = [*OF_A_CELL, "steadied"]
    table[of_cells] = table[of_cells].groupby(cells["series"]).transform("max")  # also where a session has no mean
    return table.astype(dict.fromkeys(FIGURES, "Float64"))


def _searched(logs: Floats, drift: Floats, alpha: float) -> tuple[Floats | None, Numbers]:
    """Return the logarithms without the machine's drift, None where they cost no less, and where steps begin.

    `drift` is what they are to gain, up to a constant; NaN where a session has no canary.
    """
    cost, begins = _cheapest(logs, alpha)
    if np.isnan(drift).any():
        return None, begins
    steady = logs + drift - drift.mean()
    less, found = _cheapest(steady, alpha)
    return (steady, found) if less < cost else (None, begins)


def _cheapest(logs: Floats, alpha: float) -> tuple[float, Numbers]:
    """Return what logarithms of sessions cost, and the places at which steps begin in them; none found is the rule.

    In a series of normal noise without a step one is found with the probability `alpha`.
    """
    import ruptures  # noqa: PLC0415  # takes half a second, for histories alone

    found = [np.empty(0, np.int64)]
    if most := len(logs) // PER_STEP:
        search = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit((logs - logs.mean())[:, None])
        search.predict(n_bkps=most)  # finds those of fewer steps, too
        found += [np.array(search.predict(n_bkps=n)[:-1], np.int64) for n in range(1, most + 1)]
    costs = [_cost(logs, begins) + len(begins) * _penalty(len(logs), alpha) for begins in found]
    place = int(np.argmin(costs))
    return costs[place], found[place]


def _cost(logs: Floats, begins: Numbers) -> float:
    """Return n log(squares) about the levels between steps."""
    squares = float(((logs - _levels(logs, begins)[0]) ** 2).sum())
    return len(logs) * float(np.log(max(squares, len(logs) * ROUNDING)))


def _penalty(sessions: int, alpha: float) -> float:
    """Return what a step must lower the cost by, so that noise of so many sessions makes one with this probability."""
    known = np.log(list(PENALTIES))
    base, slope = (np.interp(np.log(sessions), known, figures) for figures in zip(*PENALTIES.values(), strict=True))
    return float(base + slope * np.log((1 - CONFIDENCE) / alpha))


def _levels(logs: Floats, begins: Numbers) -> tuple[Floats, float]:
    """Return for each session the mean between the steps about it, and the standard deviation about these means."""
    segment = np.searchsorted(begins, np.arange(len(logs)), side="right")
    levels = (np.bincount(segment, logs) / np.bincount(segment))[segment]
    return levels, float(np.sqrt(((logs - levels) ** 2).sum() / (len(logs) - len(begins) - 1)))


def _sizes(logs: Floats, begins: Numbers, noise: float) -> Means:
    """Return each step's size, a difference of logarithms, with the freedom of the noise about all levels."""
    lengths = np.diff([0, *begins, len(logs)])
    levels = _levels(logs, begins)[0]
    errors = noise * np.sqrt(1 / lengths[:-1] + 1 / lengths[1:])
    n = np.full(len(begins), float(len(logs)))
    return Means(levels[begins] - levels[begins - 1], errors * np.sqrt(n), n, n - len(begins) - 1)


def _findable(sessions: int, noise: float, alpha: float) -> float:
    """Return the smallest step in the middle, as a difference of logarithms, that is found with POWER.

    By the noncentral t distribution of the split at the true place: others can only find more.
    """
    freedom, half = sessions - 2, sessions // 2
    reach = np.sqrt(freedom * np.expm1(_penalty(sessions, alpha) / sessions))
    return float(shift_found(freedom, reach)) * noise * float(np.sqrt(1 / half + 1 / (sessions - half)))


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Yield a line for each step, oldest first within a cell, and for each cell without one what would have been seen.

    `jax mlp batch 100 fused: since 2026-11-29 (0.10.2, commit abc1234): -6.0 % [-7.1, -4.9], where 2.1 % would have
    been found; version: 0.7.2 -> 0.10.2`.
    """
    for _, cell in table.groupby(CELL, sort=False):
        lines: list[Any] = cell.to_dict("records")
        begun = [line for line in lines if pd.notna(line["step"])]
        for line in begun:
            told = f"since {origin(line)}: {change(line)}, where {seen(line)} would have been found{_steadied(line)}"
            yield plain("; ".join(filter(None, [f"{_named(line)}: {told}", line["changes"]])))
        if not begun:
            yield plain(f"{_named(lines[0])}: {_without(lines[-1])}")


def _named(line: Any) -> str:
    """Return a cell in a few words: `jax mlp batch 100 fused`."""
    return f"{line['framework']} {line['recipe']} batch {line['batch_size']:,} {line['mode']}"


def origin(line: Any) -> str:
    """Return a session's day with its version and commit: `2026-11-29 (0.10.2, commit abc1234)`."""
    commit = line.get("commit")
    about = [line["framework_version"], f"commit {str(commit)[:7]}" if _known(commit) else ""]
    words = ", ".join(str(part) for part in about if _known(part) and part)
    return f"{line['day'] or line['session']}{f' ({words})' if words else ''}"


def _known(value: Any) -> bool:
    """Return whether there is a value."""
    return bool(pd.notna(value))


def change(line: Any) -> str:
    """Return a step's size with its interval: `-6.0 % [-7.1, -4.9]`."""
    size, low, high = (f"{100 * (line[name] - 1):+.1f}" for name in ("step", "step_low", "step_high"))
    return f"{size} % [{low}, {high}]"


def _without(line: Any) -> str:
    """Return what can be said of a cell in which no step was found, from its newest session's line."""
    sessions = count(line["sessions"], "session")
    if line["sessions"] < FEWEST_SESSIONS:
        return f"{sessions}; steps are looked for in {FEWEST_SESSIONS} or more"
    if pd.isna(line["smallest"]):
        return f"{sessions}; no step is looked for where values of 0 have no logarithm"
    if line["sessions"] > MOST_SESSIONS:
        sessions = f"the newest {MOST_SESSIONS} of {sessions}"
    return f"no step in {sessions}; one of {seen(line)} would have been found nine times in ten{_steadied(line)}"


def _steadied(line: Any) -> str:
    """Return that the machine's drift is taken out, where it is."""
    return ", the machine's own drift taken out" if line["steadied"] else ""


def seen(line: Any) -> str:
    """Return the smallest step in the middle of a cell's sessions that would have been found, `1.3 %`."""
    return f"{100 * line['smallest']:.1f} %"
