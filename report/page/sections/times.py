"""Where the time goes: one launch from the start of its process to the end of one epoch, in its parts.

And when compiling pays: after how many steps a mode has won back what its first step took longer than eager's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from report.page import columns, words
from report.page.inputs import Inputs, alike
from report.page.parts import Chart, Charts, Part, Section, Table, Words, facets
from report.tables.compare import CELL, COMPARISON
from report.tables.pays import pays

DEFAULT = (60_000, 10_000)  # images of an epoch and of a test, of data whose sizes no file tells
MEASURED = {  # part: column of a row
    "start": "start_s",
    "import": "import_s",
    "build": "build_s",
    "placing": "placing_s",
    "first step": "first_step_s",
    "first evaluation": "first_eval_s",
}
COMPUTED = ("host feeding", "steps", "evaluation")
COLUMNS = (
    columns.NAMED,
    columns.NETWORK,
    columns.DEVICE,
    columns.BATCH,
    columns.label("input"),
    *(columns.figure(name, name, words.seconds) for name in (*MEASURED, *COMPUTED)),
    columns.figure("warm-up", "warm_up_s", words.seconds),
    columns.figure("dispatch", "dispatch_s", words.seconds),
    columns.figure("peak memory", "peak_rss_bytes", words.size),
)
SHARED = [name for name in CELL if name not in ("framework", "mode", "input")]
STEPS = tuple(10**power for power in range(7))
NOTE = (
    "From the start of the process to the end of one epoch and one evaluation, medians over launches: starting Python, "
    "importing, building, placing the batches, the first step and the first evaluation (which hold compilation), then "
    "the steps and the evaluation at their measured speed. Host feeding is what an epoch takes longer when its batches "
    "come from host memory; warm-up belongs to the measuring and is in the table alone."
)


PAYS = (
    columns.NAMED,
    columns.NETWORK,
    columns.DEVICE,
    columns.BATCH,
    columns.label("input"),
    columns.estimate("steps until it pays", "steps", words.steps, "", words.steps, "rounds"),
)
WHEN = (
    "A mode that compiles loses time at its first step and wins some at each later one. It pays after so many training "
    "steps as win back what its first step took longer than eager's; one epoch of MNIST has 600 steps of 100 images."
)


def section(inputs: Inputs) -> Section:
    """Return the section: bars for the headline's comparisons, a table for every cell."""
    if not len(inputs.timed):
        return Section("times", "Where the time goes", [Words(["No speed was measured."])])
    cells = _spent(inputs)
    charts = [_chart(cells[alike(cells, headline.iloc[0], SHARED)], inputs) for headline in inputs.headline]
    table = columns.folded("The parts of every configuration", COLUMNS, cells)
    parts: list[Part] = [Charts(charts), Words([NOTE], style="note"), table]
    return Section("times", "Where the time goes", [*parts, *_compiling(inputs)])


def _compiling(inputs: Inputs) -> list[Part]:
    """Return when compiling pays, as lines of seconds by steps and as a table; nothing where only one mode ran."""
    found = pays(inputs.speeds)
    if found.empty:
        return []
    charts = [made for headline in inputs.headline for made in _caught_up(inputs.timed, headline.iloc[0])]
    table = Table("When compiling pays", PAYS, [columns.grouped(PAYS, found)])
    return [Charts(charts), Words([WHEN], style="note"), table]


def _caught_up(timed: pd.DataFrame, first: pd.Series[Any]) -> Iterator[Chart]:
    """Yield the chart of one comparison: how long so many steps take, the first of them included, in each mode."""
    cells = timed[alike(timed, first, COMPARISON)].dropna(subset=["first_step_s"])
    cells = cells[cells.groupby("framework")["mode"].transform("nunique") > 1]
    records = []
    for line in cells.to_dict("records"):
        each = line["batch_size"] / float(line["train_samples_per_s"])
        for steps in STEPS:
            seconds = float(line["first_step_s"]) + (steps - 1) * each
            shown = f"{_bar_name(line)}, {steps:,} steps: {words.seconds(seconds)}"
            records.append(facets(line, "framework", "mode") | {"at": steps, "value": seconds, "hint": shown})
    if records:
        caption = f"{words.short(first['model'])}, batch {int(first['batch_size']):,}: seconds until a step has ended"
        summary = "Where two lines of a framework cross, the mode that compiles has caught up with eager."
        yield Chart("pays", records, caption, summary, facets(first, "model", "device", "batch"))


def _spent(inputs: Inputs) -> pd.DataFrame:
    """Return one line a cell with the seconds of each part; missing figures count as nothing."""
    cells = inputs.timed.copy()
    warm_up = inputs.speeds.groupby(CELL)["warm_up_s"].median().rename("warm_up_s")
    cells = cells.join(warm_up, on=CELL)
    for part, column in MEASURED.items():
        cells[part] = cells[column].astype(float).fillna(0.0)
    trained, tested = zip(*(inputs.sizes.get(str(name), DEFAULT) for name in cells["dataset"]), strict=True)
    cells["steps"] = np.array(trained) / cells["train_samples_per_s"].astype(float)
    preloaded = cells[cells["input"] == "preloaded"].set_index([*SHARED, "framework", "mode"])["steps"]
    keys = pd.MultiIndex.from_frame(cells[[*SHARED, "framework", "mode"]])
    alone = pd.Series(preloaded.reindex(keys).to_numpy(float), cells.index)
    fed = (cells["steps"] - alone).clip(lower=0).where(cells["input"] == "host").fillna(0.0)
    cells["host feeding"] = fed
    cells["steps"] -= fed
    cells["evaluation"] = pd.Series(tested, cells.index) / cells["eval_samples_per_s"].astype(float)
    return cells


def _chart(cells: pd.DataFrame, inputs: Inputs) -> Chart:
    """Return one comparison's launches as stacked bars, the shortest on top."""
    first, names = cells.iloc[0], [*MEASURED, *COMPUTED]
    lines = cells.assign(whole=cells[names].sum(axis=1)).sort_values("whole").to_dict("records")
    records = [
        facets(record, "framework", "mode")
        | {"name": _bar_name(record), "input": words.short(record["input"]), "part": part, "order": order}
        | {"seconds": float(record[part]), "place": -float(record["train_samples_per_s"])}
        | {"hint": f"{_bar_name(record)}, {part}: {words.seconds(record[part])}"}
        for record in lines
        for order, part in enumerate(names)
        if 0 < record[part] < np.inf
    ]
    summary = f"{_bar_name(lines[0])} is through first, after {words.seconds(lines[0]['whole'])}; "
    summary += f"{_bar_name(lines[-1])} last, after {words.seconds(lines[-1]['whole'])}."
    train, test = inputs.sizes.get(str(first["dataset"]), DEFAULT)
    named = f"{words.short(first['model'])}, batch {int(first['batch_size']):,}, {words.short(first['dataset'], 40)}"
    caption = f"{named}: {train:,} images trained on, {test:,} tested"
    return Chart("parts", records, caption, summary, facets(first, "model", "device", "batch"))


def _bar_name(record: dict[Any, Any]) -> str:
    """Return what a bar is called."""
    fed = ", host" if record["input"] == "host" else ""
    return f"{words.short(record['framework'], 14)}, {words.short(record['mode'], 10)}{fed}"
