"""How often `report history` finds a step where none is, and how small a one: `python -m tests.studies.history`.

`--results DIR` takes the noise from rows: of each cell that three sessions of one version measured, how much sessions
differ by beyond what their launches explain. Series of sessions are then made with that noise, as normal and as
heavy-tailed (Student's t of 4 degrees), and searched by report/tables/history.py itself. `--penalties` makes its
PENALTIES anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import ruptures

from benchmarks.stats import CONFIDENCE, Floats
from report.results.load import load
from report.tables import history as searched
from report.tables.compare import CELL, own_rows
from report.tables.intervals import summary
from report.tables.metrics import DEFAULT, metric
from report.tables.sides import side

SESSIONS = (6, 10, 20, 40)
KNOWN = (5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 60, 100, 200)
TAILS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # of which the penalty's slope is made
CELLS = 20  # of the table beside that of a single cell
FEWEST = 3  # sessions of a cell, to tell how much they differ by
TOO_SMALL, LARGE = 0.0, 12.0  # steps in standard deviations between which the smallest is searched


def noise(folder: Path) -> pd.DataFrame:
    """Return of each cell and version that FEWEST sessions measured: sessions, within, between, means.

    These are standard deviations of log speeds: of launches about their session's mean, of sessions beyond what their
    launches explain (random effects, by moments), and of sessions' means, which is both.
    """
    frame = own_rows(load(folder, [*searched.COLUMNS, DEFAULT]))
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


def series(rng: np.random.Generator, draws: int, sessions: int, heavy: bool = False) -> Floats:
    """Return noise of standard deviation 1, (draws, sessions)."""
    shape = (draws, sessions)
    return rng.standard_t(4, shape) / np.sqrt(2) if heavy else rng.standard_normal(shape)


def alarms(made: Floats, alpha: float) -> float:
    """Return in what share of series without a step one is found."""
    return float(np.mean([len(searched._steps(line, alpha)) > 0 for line in made]))


def found(made: Floats, size: float, place: int, alpha: float) -> float:
    """Return in what share of series a step of this size is found, within one session of its place."""
    stepped = made + size * (np.arange(made.shape[1]) >= place)
    return float(np.mean([(np.abs(searched._steps(line, alpha) - place) <= 1).any() for line in stepped]))


def smallest(made: Floats, place: int, alpha: float) -> float:
    """Return the smallest step in standard deviations of a session that is found nine times in ten."""
    low, high = TOO_SMALL, LARGE
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if found(made, middle, place, alpha) >= 0.9 else (middle, high)
    return high


def penalties(draws: int) -> Iterator[str]:
    """Yield the lines of report.tables.history.PENALTIES."""
    for sessions in KNOWN:
        rng = np.random.default_rng(sessions)
        drops = np.sort([_drop(line) for line in series(rng, draws, sessions)])
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
    """Yield the table's lines; `session` is the standard deviation of a session's log mean."""
    yield "| sessions | cells | false alarms, normal | heavy tails | found 9 of 10, middle | 3 before the end | said |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for sessions in SESSIONS:
        for cells in (1, CELLS):
            rng = np.random.default_rng(sessions)
            alpha = 1 - CONFIDENCE ** (1 / cells)
            shares = [
                1 - (1 - alarms(series(rng, draws * cells, sessions, heavy), alpha)) ** cells for heavy in (False, True)
            ]
            made = series(rng, 2000, sessions)
            sizes = [smallest(made, place, alpha) for place in (sessions // 2, sessions - 3)]
            sizes.append(searched._findable(sessions, 1.0, alpha))
            shown = [f"{1 - np.exp(-size * session):.1%}" for size in sizes]
            yield f"| {sessions} | {cells} | {' | '.join([*(f'{share:.1%}' for share in shares), *shown])} |"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="sessions of the same code, whose noise is taken")
    parser.add_argument("--noise", type=float, default=0.02, help="a session's standard deviation, without --results")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--penalties", action="store_true")
    given = parser.parse_args()
    session = given.noise
    if given.penalties:
        print("\n".join(penalties(given.draws)))
        return
    if given.results:
        cells = noise(given.results)
        print(
            cells[["framework", "recipe", "batch_size", "mode", "sessions", "within", "between", "means"]].to_string()
        )
        session = float(cells["means"].median())
    print(f"a session's standard deviation: {session:.2%}")
    print("\n".join(study(session, given.draws)))


if __name__ == "__main__":
    main()
