"""Where the time goes: one launch from the start of its process to the end of one epoch, in its parts."""

from __future__ import annotations

from typing import Any

import pandas as pd

from report.page import columns, words
from report.page.drawing import PARTS, Drawing
from report.page.inputs import Inputs, alike
from report.page.parts import Part, Picture, Pictures, Section, Words, facets
from report.tables.compare import CELL

TRAINED, TESTED = 60_000, 10_000  # samples: an epoch and a test of MNIST, whatever data set was measured
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
    f"From the start of the process to the end of one epoch of {TRAINED:,} samples and one evaluation of {TESTED:,}, "
    "medians over launches: starting Python, importing, building, placing the batches, the first step and the first "
    "evaluation (which hold compilation), then the steps and the evaluation at their measured speed. Host feeding is "
    "what an epoch takes longer when its batches come from host memory; warm-up belongs to the measuring and is in the "
    "table alone."
)


def section(inputs: Inputs) -> Section:
    """Return the section: bars for the headline's comparisons, a table for every cell."""
    if not len(inputs.timed):
        return Section("times", "Where the time goes", [Words(["No speed was measured."])])
    cells = _spent(inputs)
    pictures = []
    for number, headline in enumerate(inputs.headline):
        first = headline.iloc[0]
        pictures.append(_picture(f"{inputs.part}times{number}", cells[alike(cells, first, SHARED)]))
    parts: list[Part] = [
        Words([NOTE], style="note"),
        Pictures(pictures),
        columns.folded("The parts of every cell", COLUMNS, cells),
    ]
    return Section("times", "Where the time goes", parts)


def _spent(inputs: Inputs) -> pd.DataFrame:
    """Return one line a cell with the seconds of each part; missing figures count as nothing."""
    cells = inputs.timed.copy()
    warm_up = inputs.speeds.groupby(CELL)["warm_up_s"].median().rename("warm_up_s")
    cells = cells.join(warm_up, on=CELL)
    for part, column in MEASURED.items():
        cells[part] = cells[column].astype(float).fillna(0.0)
    cells["steps"] = TRAINED / cells["train_samples_per_s"].astype(float)
    preloaded = cells[cells["input"] == "preloaded"].set_index([*SHARED, "framework", "mode"])["steps"]
    keys = pd.MultiIndex.from_frame(cells[[*SHARED, "framework", "mode"]])
    alone = pd.Series(preloaded.reindex(keys).to_numpy(float), cells.index)
    fed = (cells["steps"] - alone).clip(lower=0).where(cells["input"] == "host").fillna(0.0)
    cells["host feeding"] = fed
    cells["steps"] -= fed
    cells["evaluation"] = (TESTED / cells["eval_samples_per_s"].astype(float)).fillna(0.0)
    return cells


def _picture(name: str, cells: pd.DataFrame) -> Picture:
    """Draw one comparison's launches as stacked bars, the shortest on top."""
    names = [*MEASURED, *COMPUTED]
    whole = cells[names].sum(axis=1)
    lines = cells.assign(whole=whole).sort_values("whole").to_dict("records")
    with Drawing(name, height=92 + 17 * len(lines)) as drawing:
        axes = drawing.axes
        for place, record in enumerate(lines):
            reached, only = 0.0, facets(record, "framework", "mode")
            for part, colour in zip(names, PARTS, strict=True):
                if record[part] > 0:
                    [bar] = axes.barh(place, record[part], 0.7, reached, color=colour, linewidth=0)
                    drawing.mark(bar, f"{_bar_name(record)}, {part}: {words.seconds(record[part])}", only)
                    reached += record[part]
        handles = [axes.barh(0, 0, color=colour) for colour in PARTS]  # the legend has every part, once
        drawing.legend(handles=handles, labels=names, ncols=4, bbox_to_anchor=(0.4, 1.0), fontsize=8, handlelength=0.9,
                       columnspacing=1.0)  # fmt: skip
        drawing.name_bars([_bar_name(record) for record in lines])
        axes.set(ylim=(len(lines) - 0.4, -0.6), xlabel="seconds")
    first, top = cells.iloc[0], lines[0]
    summary = f"{_bar_name(top)} is through first, after {words.seconds(top['whole'])}; "
    summary += f"{_bar_name(lines[-1])} last, after {words.seconds(lines[-1]['whole'])}."
    caption = words.comparison(first, "threads", "dtype", "input")
    return Picture(drawing.svg, caption, summary, facets(first, "model", "device", "batch"))


def _bar_name(record: dict[Any, Any]) -> str:
    """Return what a bar is called."""
    fed = ", host" if record["input"] == "host" else ""
    return f"{words.short(record['framework'], 14)}, {words.short(record['mode'], 10)}{fed}"
