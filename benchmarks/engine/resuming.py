"""What earlier sweeps have measured whole: a series counts with them only if one machine made all of it.

Half of a series is of no use to another machine: its ratios would cross machines. So it begins anew.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.cells import Launch
from benchmarks.engine.kinds import Kind
from benchmarks.engine.plan import Series
from benchmarks.finished import Finished
from benchmarks.presets import Preset
from benchmarks.stopping import Stopping

Made = list[tuple[Launch, dict[str, Any]]]


def resume(kind: Kind, results: Path, preset: Preset) -> list[str]:
    """Report what is there of a kind's series and plan the others; return the sweeps that it is from."""
    wanted = [planned for series in kind.plan.series for planned in series.open()]
    finished = Finished(results, kind.launcher.identity, wanted)
    sweeps = set()
    for series in kind.plan.series:
        made, blocks = there(kind, series, finished, preset)
        if len({row["sweep"] for _, row in made}) != 1 or not blocks:
            continue
        for planned, row in made:
            kind.report(series, planned, row, made=False)
            sweeps.add(str(row["sweep"]))
        kind.ledger.not_needed += sum(len(block.cells) for _, block in series.blocks[blocks:])
        series.done, series.stopped = blocks, True
    kind.plan.skip_what_is_over()
    return sorted(sweeps)


def there(kind: Kind, series: Series, finished: Finished, preset: Preset) -> tuple[Made, int]:
    """Return a series' launches that are there, and after how many blocks it was enough; 0 if it was not."""
    made: Made = []
    stopping = Stopping(series.blocks[0][1].cells, preset, math.inf, {})
    for number, (_, block) in enumerate(series.blocks, 1):
        for planned in block.launches():
            row = finished.get(kind.launcher.identity(planned), planned)
            if row is None:
                return made, 0
            made.append((planned, row))
            if planned.task == "speed" and stopping.enough(planned, row):
                return made, number
    return made, len(series.blocks)
