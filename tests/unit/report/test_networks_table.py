"""The tables of docs/networks.md are what `report compare` makes of the rows in results/networks."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.machine.environments import ROOT
from report.formats import markdown_table
from report.page import words
from report.results.load import load
from report.tables.compare import REQUIRED_COLUMNS, compare

KEPT = ROOT / "results" / "networks"
NETWORKS = {2: ("resnet", "vit", "lstm"), 1: ("vit", "lstm")}  # by threads


@pytest.fixture(scope="module")
def cells():
    return compare(load(KEPT, REQUIRED_COLUMNS))


def shown(cell):
    """Return a speed, the reach of its interval where it has one, and the share of the machine's peak."""
    speed = f"{words.speed(cell['train_samples_per_s'])} {words.within(cell['low'], cell['high'])}".strip()
    return speed if pd.isna(cell["mfu"]) else f"{speed}; {cell['mfu']:.0%}"


def table(cells, threads):
    """Return frameworks by networks, the fastest of the last network first; what was not run is a dash."""
    cells = cells[(cells["threads"] == threads) & (cells["launches"] > 0)]
    of_last = cells[cells["model"] == NETWORKS[threads][-1]].sort_values("train_samples_per_s", ascending=False)
    found = {(cell["framework"], cell["model"]): shown(cell) for cell in cells.to_dict("records")}
    networks = NETWORKS[threads]
    lines = [[name, *(found.get((name, network), "—") for network in networks)] for name in of_last["framework"]]
    heading = "both cores" if threads > 1 else "one thread"
    return markdown_table([(heading, *networks), *lines])


@pytest.mark.parametrize("threads", NETWORKS)
def test_a_table_of_the_document_is_made_of_the_rows(cells, threads):
    assert table(cells, threads) in (ROOT / "docs" / "networks.md").read_text()
