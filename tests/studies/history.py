"""How often `report history` finds a step where none is, and how small a one: `python -m tests.studies.history`.

`--results DIR` takes the noise from rows: of each cell that several sweeps of one version measured, how much sweeps
differ by beyond what their launches explain. Series of sessions are then made with that noise, as normal, heavy-tailed
(Student's t of 4 degrees), drifting, and drifting as a canary tells, and searched by report/tables/history.py itself.
`--penalties` makes its PENALTIES anew; they are from `--draws 50000`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import ruptures

from benchmarks.stats import CONFIDENCE, POWER, Floats
from report.results.load import load
from report.tables import history as searched
from report.tables.compare import CELL, own_rows
from report.tables.intervals import summary
from report.tables.metrics import DEFAULT, metric
from report.tables.sides import side

SESSIONS = (6, 10, 20, 40)
KNOWN = (5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 60, 100, 200)
TAILS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # of which the penalty's slope is made
KINDS = ("normal", "heavy tails", "drifting", "drifting, told")
ALIKE = 0.5  # the correlation of a drifting session with the one before
OWN, TOLD = 0.5, 0.3  # of the machine's drift: a session's own noise, and what its canary is off by
CELLS = 20  # of the table beside that of a single cell
FEWEST = 2  # sessions of a cell, to tell how much they differ by
STEPPED = 1000  # series with a step
TOO_SMALL, LARGE = 0.0, 12.0  # steps in standard deviations between which the smallest is searched


def noise(folder: Path) -> pd.DataFrame:
    """Return of each cell and version that FEWEST sweeps, here sessions, measured: sessions, within, between, means.

    These are standard deviations of log speeds: of launches about their session's mean, of sessions beyond what their
    launches explain (random effects, by moments), and of sessions' means, which is both.
    """
    frame = own_rows(load(folder, [*searched.COLUMNS, DEFAULT]))
    frame = frame.assign(session=frame["sweep"])  # those that resumed one another were measured at different times, too
    sessions = side(frame, metric(DEFAULT), None, (), [*CELL, "session"])
    found = sessions.cells.join(summary(sessions.launches, len(sessions.cells)))
    found = found.assign(within=found["std"] ** 2, error=found["std"] ** 2 / found["n"]).dropna(subset="within")
    groups = found.groupby([*CELL, "framework_version"])
    cells = groups.agg(
        sessions=("mean", "size"), within=("within", "mean"), means=("mean", "std"), error=("error", "mean")
    )
    cells = cells[cells["sessions"] >= FEWEST]
    between = np.sqrt((cells["means"] ** 2 - cells["error"]).clip(lower=0))
    return cells.assign(within=np.sqrt(cells["within"]), between=between).reset_index()


def series(rng: np.random.Generator, draws: int, sessions: int, kind: str = "normal") -> tuple[Floats, Floats]:
    """Return noise of standard deviation 1, (draws, sessions): one of KINDS; and what its canary says, else NaN."""
    shape = (draws, sessions)
    made, untold = rng.standard_normal(shape), np.full(shape, np.nan)
    if kind == "heavy tails":
        return rng.standard_t(4, shape) / np.sqrt(2), untold
    if kind.startswith("drifting"):
        for session in range(1, sessions):
            made[:, session] = ALIKE * made[:, session - 1] + np.sqrt(1 - ALIKE**2) * made[:, session]
    if kind == "drifting, told":
        own, off = OWN * rng.standard_normal(shape), TOLD * rng.standard_normal(shape)
        return (made + own) / np.hypot(1, OWN), -(made + off) / np.hypot(1, OWN)
    return made, untold


def alarms(made: Floats, told: Floats, alpha: float) -> float:
    """Return in what share of series without a step one is found."""
    return float(np.mean([len(searched._searched(*lines, alpha)[1]) > 0 for lines in zip(made, told, strict=True)]))


def found(made: Floats, size: float, place: int, alpha: float, off: int) -> float:
    """Return in what share of series a step of this size is found, at most `off` sessions from its place."""
    stepped = made + size * (np.arange(made.shape[1]) >= place)
    return float(np.mean([(np.abs(searched._cheapest(line, alpha)[1] - place) <= off).any() for line in stepped]))


def smallest(made: Floats, place: int, alpha: float, off: int) -> float:
    """Return the smallest step in standard deviations of a session that is found nine times in ten."""
    low, high = TOO_SMALL, LARGE
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if found(made, middle, place, alpha, off) >= POWER else (middle, high)
    return high


def penalties(draws: int) -> Iterator[str]:
    """Yield the lines of report.tables.history.PENALTIES."""
    for sessions in KNOWN:
        rng = np.random.default_rng(sessions)
        drops = np.sort([_drop(line) for line in series(rng, draws, sessions)[0]])
        tails = [float(np.quantile(drops, 1 - tail)) for tail in TAILS]
        slope = np.polyfit(np.log(TAILS[0] / np.array(TAILS)), tails, 1)[0]
        yield f"    {sessions}: ({tails[0]:.2f}, {slope:.2f}),"


def _drop(logs: Floats) -> float:
    """Return the penalty below which a step is found in a series."""
    search = ruptures.KernelCPD(kernel="linear", min_size=searched.SHORTEST).fit((logs - logs.mean())[:, None])
    most = len(logs) // searched.PER_STEP
    search.predict(n_bkps=most)
    flat = searched._cost(logs, np.empty(0, np.int64))
    places = (np.array(search.predict(n_bkps=n)[:-1]) for n in range(1, most + 1))
    return max((flat - searched._cost(logs, begins)) / n for n, begins in enumerate(places, 1))


def study(session: float, draws: int) -> Iterator[str]:
    """Yield a table: false alarms, and which steps are found nine times in ten.

    These stand in the middle (anywhere found, then within a session of its place) and 3 sessions before the end; what
    the report itself would say of the middle is the last column. `session` is the standard deviation of a session.
    """
    yield f"| sessions | cells | {' | '.join(KINDS)} | middle | at its place | near the end | said |"
    yield "| ---: " * (6 + len(KINDS)) + "|"
    for sessions in SESSIONS:
        for cells in (1, CELLS):
            rng = np.random.default_rng(sessions)
            alpha = 1 - CONFIDENCE ** (1 / cells)
            each = [alarms(*series(rng, draws, sessions, kind), alpha) for kind in KINDS]
            made, middle = series(rng, STEPPED, sessions)[0], sessions // 2
            sizes = [smallest(made, *asked) for asked in ((middle, alpha, sessions), (middle, alpha, 1))]
            sizes += [smallest(made, sessions - 3, alpha, sessions), searched._findable(sessions, 1.0, alpha)]
            shown = [f"{1 - (1 - share) ** cells:.1%}" for share in each]
            shown += [f"{1 - np.exp(-size * session):.1%}" for size in sizes]
            yield f"| {sessions} | {cells} | {' | '.join(shown)} |"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="sessions of the same code, whose noise is taken")
    parser.add_argument("--noise", type=float, default=0.01, help="a session's standard deviation, without --results")
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--penalties", action="store_true")
    given = parser.parse_args()
    session = given.noise
    if given.penalties:
        for line in penalties(given.draws):
            print(line, flush=True)
        return
    if given.results:
        cells = noise(given.results)
        print(
            cells[["framework", "recipe", "batch_size", "mode", "sessions", "within", "between", "means"]].to_string()
        )
        freedom = cells["sessions"] - 1
        session = float(np.sqrt((cells["means"] ** 2 * freedom).sum() / freedom.sum()))
    print(f"a session's standard deviation: {session:.2%}")
    for line in study(session, given.draws):
        print(line, flush=True)


if __name__ == "__main__":
    main()
