"""The answer: who is fastest, and how surely, in words, in bars and in five columns; README shows the same table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.cli.answer import answer, provisional
from benchmarks.record.summary import Comparison
from benchmarks.stats import FEWEST_ROUNDS
from report.page import columns, words
from report.page.inputs import Inputs, alike
from report.page.parts import Beside, Chart, Group, Line, Part, Table, Words, facets
from report.tables.compare import COMPARISON, as_records

ALONE, FEW, UNJUDGED = "alone", "few", "unjudged"
LEADS_SURELY, TIE, LEADS_UNSURELY = "slower", "equivalent", "not distinguished"  # verdicts on the others
LEADS = {  # how the title says it: before and after the network
    LEADS_SURELY: ("is fastest on", ""), TIE: ("ties for the lead on", ""), ALONE: ("alone has a speed on", ""),
    FEW: ("leads on", ", provisional"), "other": ("is ahead on", ", not distinguished from the next"),
}  # fmt: skip
UNSURE = LEADS["other"]
WORDS = {  # what the page's script says with, as _sentence and title do
    "leads": LEADS, "best": "1",
    "few": columns.PROVISIONAL, "tie": TIE, "surely": LEADS_SURELY, "unsure": LEADS_UNSURELY,
    "nothing": "Nothing measured here has all of what is chosen", "link": "the address holds this choice",
    "unknown": "not measured here: ",
}  # fmt: skip


def _best(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each framework's best mode, the best framework first: compare's order, which is that of the ratios."""
    return cells.drop_duplicates("framework")


def standing(cells: pd.DataFrame) -> tuple[str, list[str]]:
    """Return what the verdicts say of the first framework's lead, and the frameworks that it does not surely lead.

    `cells` are one comparison's. UNJUDGED where the ratios are to another than the first, FEW where rounds are.
    """
    first, *others = _best(cells).to_dict("records")
    if not others:
        return ALONE, []
    near = [other for other in others if words.text(other["verdict"]) != LEADS_SURELY]
    names = [words.short(other["framework"]) for other in near]
    if not near:
        return LEADS_SURELY, []
    if not columns.is_reference(first):
        return UNJUDGED, names
    found = {words.text(other["verdict"]) for other in near}
    return (FEW if "" in found else TIE if found == {TIE} else LEADS_UNSURELY), names


def _where(inputs: Inputs, first: pd.Series) -> str:
    """Return the device, only where the headline has several."""
    several = len({cells["device"].iloc[0] for cells in inputs.headline}) > 1
    return f" ({words.short(first['device']).upper()})" if several else ""


def title(inputs: Inputs) -> str:
    """Return the page's title: who is fastest where, and where that is not sure."""
    winners: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cells in inputs.headline:
        first = cells.iloc[0]
        names = winners.setdefault(LEADS.get(standing(cells)[0], UNSURE), {})
        names.setdefault(words.short(first["framework"]), []).append(
            words.short(first["model"]) + _where(inputs, first)
        )
    return led(winners) or "No speed was measured"


def led(winners: Mapping[tuple[str, str], Mapping[str, Iterable[str]]]) -> str:
    """Say who leads where, what is not sure last: by the words before and after, the places of each framework."""
    clauses = []
    for (verb, sure), names in sorted(winners.items(), key=lambda item: bool(item[0][1])):
        what = [f"{name} {verb} {words.listed(places)}{sure}" for name, places in names.items()]
        clauses.append(("; " if sure else ", ").join(what))
    return "; ".join(clauses)


def sentences(inputs: Inputs) -> Iterator[str]:
    """Yield for each headline comparison how fast the fastest is, and what the others have of that."""
    for cells in inputs.headline:
        yield _sentence(inputs, cells)
    if not inputs.headline:
        endings = ", ".join(sorted({str(status) for status in inputs.frame["status"]}))
        yield f"No speed launch ended ok (found: {endings or 'nothing'}); the appendix says why."


def _named(inputs: Inputs, first: pd.Series) -> str:
    """Return `lenet, batch 100`."""
    return f"{words.short(first['model'])}{_where(inputs, first)}, batch {int(first['batch_size']):,}"


def _sentence(inputs: Inputs, cells: pd.DataFrame) -> str:
    """Return the answer of a comparison, as a run's last lines have it, with what failed."""
    whole = inputs.table[alike(inputs.table, cells.iloc[0], COMPARISON)]
    return f"{answer(Comparison(as_records(whole), []), _named(inputs, cells.iloc[0]))}."


def _settings(first: pd.Series) -> str:
    """Return what the frameworks of a comparison share besides network and batch size."""
    return words.comparison(first, "batch_size").partition(", ")[2]


def table(inputs: Inputs) -> Table:
    """Return the headline's table: each framework in its best mode."""
    groups = [
        columns.grouped(columns.FIVE, _best(cells), f"{_named(inputs, cells.iloc[0])}: {_settings(cells.iloc[0])}")
        for cells in inputs.headline
    ]
    return Table("Each framework in its best mode", columns.FIVE, groups)


def _same_mode(inputs: Inputs) -> Table:
    """Return the same comparisons within one mode, each with all that have it."""
    mode, found = inputs.same_mode
    groups = [columns.grouped(columns.FIVE, cells, _named(inputs, cells.iloc[0])) for cells in found if len(cells)]
    return Table(f"The same with all in one mode, {words.short(mode)}", columns.FIVE, groups, folded=True)


def _comparison(inputs: Inputs, cells: pd.DataFrame, models: set[str], shown: bool) -> Beside:
    """Return a comparison: its sentence, all its cells as five columns, and their bars."""
    first, records, best = cells.iloc[0], cells.to_dict("records"), set(_best(cells).index)
    named, sentence = _named(inputs, first), _sentence(inputs, cells)
    mark = provisional(as_records(cells))
    about = {"provisional": f"; {mark}, a verdict needs {FEWEST_ROUNDS} rounds"} if mark else {}
    about |= {"named": named, "where": _where(inputs, first), **({"lead": ""} if first["model"] in models else {})}
    lines = [
        Line(
            tuple(column.cell(record) for column in columns.FIVE),
            facets(record, "mode", "framework"),
            [(words.ratio(ratio), columns.verdict(found)) for ratio, found in inputs.versus.get(label, [])],
            hidden=label not in best,
        )
        for label, record in zip(cells.index, records, strict=True)
    ]
    table = Table(named, columns.FIVE, [Group(lines)], style="five")
    bars = [{"place": place, **_bar(record)} for place, record in enumerate(records)]
    shared = facets(first, "model", "device", "batch") | about
    return Beside(sentence, _settings(first), table, Chart("bars", bars, "", sentence), shared, True, shown)


def _bar(record: dict[Any, Any]) -> dict[str, Any]:
    """Return a cell's speed as a record of a chart."""
    within = words.within(record["low"], record["high"])
    name = f"{words.short(record['framework'])}, {words.short(record['mode'])}"
    hint = f"{name}: {words.speed(record['train_samples_per_s'])} samples/s {within}".strip()
    speed = {"speed": float(record["train_samples_per_s"]), "hint": hint}
    return {**facets(record, "mode", "framework"), **speed, **words.drawn(record["low"], record["high"])}


NOTE = (
    "Each framework in its best mode; choose a mode above for all in the same. Geometric means over launches, each a "
    "process of its own, noisy ones kept; ± is half of the 95 % interval. Verdicts are of ratios paired by rounds."
)


def parts(inputs: Inputs) -> list[Part]:
    """Return the page's first section: every comparison, of which those of the headline are shown."""
    if not inputs.headline:
        return []
    models = {str(cells["model"].iloc[0]) for cells in inputs.headline}
    shown = len(inputs.headline)
    found = [_comparison(inputs, cells, models, place < shown) for place, cells in enumerate(inputs.comparisons)]
    return [*found, Words([NOTE], style="note"), _same_mode(inputs)]
