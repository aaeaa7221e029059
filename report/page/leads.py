"""How sure it is that the first of a comparison leads: one answer for the title, the sentences and the crossovers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from report.page import words
from report.page.cells import text_of

ALONE, SURE, TIE, UNSURE, FEW, UNJUDGED = "alone", "slower", "equivalent", "not distinguished", "few", "unjudged"


def best(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each framework's best mode, the best framework first: compare's order, which is that of the ratios."""
    return cells.drop_duplicates("framework")


def standing(cells: pd.DataFrame) -> tuple[str, list[str]]:
    """Return what the verdicts say of the first framework's lead, and whom it does not surely lead.

    `cells` are one comparison's. UNJUDGED where the ratios are to another than the first, FEW where rounds are.
    """
    first, *others = best(cells).to_dict("records")
    if not others:
        return ALONE, []
    near = [other for other in others if text_of(other["verdict"]) != SURE]
    names = [words.short(other["framework"]) for other in near]
    if not near:
        return SURE, []
    if not reference(first):
        return UNJUDGED, names
    found = {text_of(other["verdict"]) for other in near}
    return (FEW if "" in found else TIE if found == {TIE} else UNSURE), names


def reference(record: dict[Any, Any]) -> bool:
    """Return whether a cell is the one that its comparison's ratios are to."""
    return bool(words.known(record["ratio"]) and record["ratio"] == 1 and not words.known(record["ratio_low"]))
