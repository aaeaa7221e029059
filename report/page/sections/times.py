"""Where the time goes: one launch from the start of its process to the end of one epoch, in its parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from report.page import columns, words
from report.page.inputs import Inputs, alike
from report.page.parts import Chart, Charts, Section, Words, facets
from report.tables.compare import CELL

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
NOTE = (
    "From the start of the process to the end of one epoch and one evaluation, medians over launches: starting Python, "
    "importing, building, placing the batches, the first step and the first evaluation (which hold compilation), then "
    "the steps and the evaluation at their measured speed. Host feeding is what an epoch takes longer when its batches "
    "come from host memory; warm-up belongs to the measuring and is in the table alone."
)


def section(inputs: Inputs) -> Section:
    """Return the section: bars for the headline's comparisons, a table for every cell."""
    if not len(inputs.timed):
        return Section("times", "Where the time goes", [Words(["No speed was measured."])])
    cells = _spent(inputs)
    charts = [_chart(cells[alike(cells, headline.iloc[0], SHARED)], inputs) for headline in inputs.headline]
    table = columns.folded("The parts of every configuration", COLUMNS, cells)
    return Section("times", "Where the time goes", [Charts(charts), Words([NOTE], style="note"), table])


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
