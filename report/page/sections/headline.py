"""Who is fastest, and how surely: title, sentences, the table that README shows too, and a picture of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.stats import bound
from report.page import columns, words
from report.page.drawing import Drawing, look
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Part, Picture, Pictures, Table, Words, facets
from report.page.sections import repeat

ALONE, FEW, UNJUDGED = "alone", "few", "unjudged"
LEADS_SURELY, TIE, LEADS_UNSURELY = "slower", "equivalent", "not distinguished"  # verdicts on the others


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


def _like_for_like(record: dict[Any, Any]) -> Cell:
    """Return the speed in the mode that most frameworks have, and its ratio to the fastest in that mode."""
    if record["alike"] is None:
        return Cell(words.NONE)
    return columns.quantity(
        record["alike"]["train_samples_per_s"], words.speed, words.number(record["alike"]["ratio"], ".3f")
    )


COLUMNS = (
    columns.VERSIONED,
    columns.MODE,
    columns.SPEED,
    columns.estimate("ratio to the best", "ratio", ".3f", "ratio_", bound),
    columns.VERDICT,
    Column("like for like", "ratio in one mode", True, _like_for_like),
    columns.figure("MFU", "mfu", ".1%"),
    columns.estimate("accuracy", "accuracy", ".4f", "accuracy_"),
    columns.LOCKSTEP,
    columns.out_of("noisy", "noisy", "launches"),
)
SURE = {  # how a sentence says the standing, of the first and those that it does not surely lead
    LEADS_SURELY: "the lead is statistically sure",
    TIE: "a tie: {} are within 3 % of each other",
    LEADS_UNSURELY: "{} are not told apart once all pairs of the table are allowed for",
    FEW: "too few rounds for a verdict",
}
SURELY = {  # how the title says the standing
    LEADS_SURELY: ("is fastest on", ""),
    TIE: ("ties for the lead on", ""),
    ALONE: ("was measured alone on", ""),
}
UNSURE = ("leads on", ", not yet surely")


def _place(first: Any, several: bool) -> str:
    """Return what a headline's comparison is about, the device only where there are several."""
    return words.short(first["model"]) + (f" ({str(first['device']).upper()})" if several else "")


def title(inputs: Inputs) -> str:
    """Return the page's first line: that the machine was busy, who is fastest where, and where that is not sure."""
    several = len({cells["device"].iloc[0] for cells in inputs.headline}) > 1
    winners: dict[tuple[str, str], dict[str, list[str]]] = {}
    for cells in inputs.headline:
        names = winners.setdefault(SURELY.get(standing(cells)[0], UNSURE), {})
        names.setdefault(words.short(cells["framework"].iloc[0]), []).append(_place(cells.iloc[0], several))
    return inputs.warning + (led(winners) or "No speed was measured")


def led(winners: Mapping[tuple[str, str], Mapping[str, Iterable[str]]]) -> str:
    """Say who leads where, what is not sure last: by the words before and after, the places of each framework."""
    clauses = []
    for (verb, sure), names in sorted(winners.items(), key=lambda item: item[0] == UNSURE):
        what = [f"{name} {verb} {words.listed(places)}" for name, places in names.items()]
        clauses.append(", ".join(what) + sure)
    return "; ".join(clauses)


def sentences(inputs: Inputs) -> Iterator[str]:
    """Yield for each headline comparison how far ahead the fastest is, and how sure that is."""
    several = len({cells["device"].iloc[0] for cells in inputs.headline}) > 1
    for cells in inputs.headline:
        first = cells.iloc[0]
        speed = f"{words.speed(first['train_samples_per_s'])} samples/s"
        interval = words.between(first["low"], first["high"])
        sentence = f"{_place(first, several)}: {words.short(first['framework'])} trains {speed}"
        sentence += f" (95 % interval {interval})" if interval else ""
        yield f"{sentence}{_lead(cells)}."
    if not inputs.headline:
        endings = ", ".join(sorted({str(status) for status in inputs.frame["status"]}))
        yield f"No speed launch ended ok (found: {endings or 'nothing'}); section 7 says why."


def _lead(cells: pd.DataFrame) -> str:
    """Say how the second compares with the first, and how sure the lead is, as far as their rounds tell."""
    lines = _best(cells).to_dict("records")
    if len(lines) < 2:
        return ", measured alone"
    second = lines[1]
    if not words.known(second["ratio"]) or second["ratio"] > 1 or not columns.is_reference(lines[0]):
        return f"; next is {words.short(second['framework'])}"
    lead = f", {1 / second['ratio']:.2f} times as many as {words.short(second['framework'])}"
    if words.known(second["ratio_low"]):
        lead += f" ({words.between(1 / second['ratio_high'], 1 / second['ratio_low'], words.ratio)})"
    sure, near = standing(cells)
    return f"{lead}; {SURE[sure].format(words.listed([words.short(lines[0]['framework']), *near]))}"


def table(inputs: Inputs) -> Table:
    """Return the headline: each framework in its best mode, beside its ratio where all run in the same mode."""
    groups = []
    for cells, (mode, same) in zip(inputs.headline, inputs.like_for_like, strict=True):
        alike = {record["framework"]: record for record in same.to_dict("records")}
        best = _best(cells).assign(noisy=lambda found: found["launches"] - found["quiet"]).to_dict("records")
        records = [record | {"alike": alike.get(record["framework"])} for record in best]
        shared = f"{words.comparison(cells.iloc[0])}; like for like: {words.short(mode)}"
        groups.append(columns.grouped(COLUMNS, records, shared))
    return Table(f"Each framework in {_shown_mode(inputs)}", COLUMNS, groups, style="headline")


def _shown_mode(inputs: Inputs) -> str:
    """Say which mode each framework is shown in: there is a fastest one only of several that were measured."""
    if any(cells["framework"].duplicated().any() for cells in inputs.headline):
        return "its fastest mode"
    recommended = [repeat.recommended(sweep.run) for sweep in inputs.used]
    return "its recommended mode" if recommended and all(recommended) else "the mode measured"


def _picture(name: str, cells: pd.DataFrame) -> Picture:
    """Draw each framework's speed with its interval, the fastest on top; all from 0, so that lengths compare."""
    lines = _best(cells).to_dict("records")
    with Drawing(name, height=44 + 26 * len(lines)) as drawing:
        axes = drawing.axes
        for place, record in enumerate(lines):
            style, speed = look(record["framework"]), float(record["train_samples_per_s"])
            interval = words.between(record["low"], record["high"])
            name = f"{words.short(record['framework'])}, {words.short(record['mode'])}"
            hint = f"{name}: {words.speed(speed)} samples/s {interval}"
            [bar] = axes.barh(place, speed, 0.56, color=style.colour, alpha=0.28, linewidth=0)
            drawing.mark(bar, hint, facets(record, "framework"))
            if interval:
                ends = [float(record["low"]), float(record["high"])]
                [reach] = axes.plot(ends, [place, place], color=style.colour, linewidth=2.2)
                drawing.mark(reach, hint, facets(record, "framework"))
            [point] = axes.plot(speed, place, style.marker, color=style.colour, markersize=6)
            drawing.mark(point, hint, facets(record, "framework"))
        drawing.name_bars([words.short(record["framework"], 14) for record in lines])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel("samples/s")
    first = cells.iloc[0]
    speeds = ", ".join(f"{words.short(r['framework'])} {words.speed(r['train_samples_per_s'])}" for r in lines)
    caption = f"{words.short(first['model'])} on the {str(first['device']).upper()}, batch {first['batch_size']}"
    return Picture(drawing.svg, caption, f"Samples per second: {speeds}.", facets(first, "model", "device", "batch"))


def parts(inputs: Inputs) -> list[Part]:
    """Return the page's first section without its title."""
    if not inputs.headline:
        return []
    pictures = [_picture(f"{inputs.part}lead{number}", cells) for number, cells in enumerate(inputs.headline)]
    note = (
        "Geometric means over launches, each a process of its own; whiskers and small figures are 95 % intervals. In "
        "the order of the ratios, which are paired by rounds; all their intervals hold in 95 % of tables. Like for "
        "like: the same mode for all that have it. MFU: of the machine's measured peak. Lockstep: proven to compute "
        "what is declared. Noisy launches are kept."
    )
    return [table(inputs), Words([note], style="note"), Pictures(pictures)]
