"""The words of a comparison, in a run's last lines, in `report compare` and on the page: columns, titles, the answer.

A record is a cell's line, of benchmarks/record/summary.py or of report/tables/compare.py; what is not known in it is
None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.cli.terminal import DATA
from benchmarks.errors import count, plain, threads
from benchmarks.record.summary import SUFFICIENT, Comparison, answering, over_batch_sizes, sufficient
from benchmarks.stats import FEWEST, FEWEST_ROUNDS, bound

Record = Mapping[str, Any]
Section = tuple[str, dict[str, str], list[dict[str, str]]]  # title, heading by column, lines of text by column


def known(value: Any) -> bool:
    """Return whether a record has the value: neither None nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def rate(value: float) -> str:
    """Return samples/s: whole, or three digits below 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plus_minus(low: float, high: float) -> str:
    """Return the reach of an interval that is as wide on either side on the log scale: `± 5 %`."""
    reach = math.sqrt(high / low) - 1
    return "± over 100 %" if reach > 1 else f"± {100 * reach:.{1 if reach < 0.0095 else 0}f} %"


def speed(record: Record) -> str:
    """Return a cell's samples/s with its 95 % interval, how many launches where too few, how it ended without."""
    if not known(record["train_samples_per_s"]):
        return "" if record["status"] == "ok" else str(record["status"])
    shown = rate(record["train_samples_per_s"])
    if known(record["low"]):
        return f"{shown} {plus_minus(record['low'], record['high'])}"
    return f"{shown} (n = {record['launches']})" if record["launches"] < FEWEST else shown


def is_reference(record: Record) -> bool:
    """Return whether a cell is the one that its comparison's ratios are to."""
    return bool(known(record["ratio"]) and record["ratio"] == 1 and not known(record["ratio_low"]))


def against(record: Record) -> str:
    """Return a cell's ratio to the best, and what is known of it: `0.86 not distinguished`."""
    if not known(record["ratio"]):
        return ""
    return "1" if is_reference(record) else f"{bound(record['ratio'], 2)} {record['verdict'] or ''}".rstrip()


def _number(name: str, form: str) -> Callable[[Record], str]:
    return lambda record: form.format(record[name]) if known(record.get(name)) else ""


def _text(name: str) -> Callable[[Record], str]:
    return lambda record: plain(str(record[name])) if known(record.get(name)) else ""


def ratio_interval(low: float, high: float) -> str:
    """Return the interval of a ratio, unless it says next to nothing."""
    return f"{bound(low)}-{bound(high)}" if high <= 100 * low else "not known to a factor of 10"


def _interval(record: Record) -> str:
    return ratio_interval(record["ratio_low"], record["ratio_high"]) if known(record["ratio_low"]) else ""


def _to_target(record: Record) -> str:
    """Return the median time to the accuracy aimed at and how many seeds reached it: `4.21 (9/10)`."""
    reached = f"({record['reached']}/{record['seeds']})" if known(record.get("reached")) else ""
    return f"{_number('time_to_accuracy_s', '{:,.2f}')(record)} {reached}".strip()


FLOAT32_ONLY = "verified in float32 only"


def is_float32_only(record: Record) -> bool:
    """Return whether the gate said so of any launch of a cell."""
    return "float32 only" in str(record.get("lockstep"))


FIVE = ("framework", "mode", "speed", "against", "accuracy")
COLUMNS: dict[str, tuple[str, Callable[[Record], str]]] = {  # FIVE first, the others as far as there is room for them
    "framework": ("framework", _text("framework")),
    "mode": ("mode", _text("mode")),
    "speed": ("samples/s", speed),
    "against": ("against the best", against),
    "accuracy": ("accuracy", _number("accuracy", "{:.4f}")),
    "status": ("status", _text("status")),
    "launches": ("launches", _text("launches")),
    "flags": ("flags", _text("flags")),
    "ratio_interval": ("95 % interval of the ratio", _interval),
    "mfu": ("MFU", _number("mfu", "{:.1%}")),
    "to_target": ("s to target", _to_target),
    "eval_samples_per_s": ("eval samples/s", _number("eval_samples_per_s", "{:,.0f}")),
    "framework_version": ("version", _text("framework_version")),
    "lockstep": ("verified", _text("lockstep")),
}  # fmt: skip
RIGHT = ("speed", "accuracy", "launches", "ratio_interval", "mfu", "to_target", "eval_samples_per_s")


def title(record: Record, machine: str = "") -> str:
    """Return one line that says what a comparison's cells share; the machine's kind where a table has several."""
    recipe = "" if record["recipe"] == record["model"] else f" (recipe {record['recipe']})"
    return plain(
        f"{record['model']}{recipe}, batch {record['batch_size']:,}, {record['dataset']}, {record['dtype']}, "
        f"{record['device']} ({record['device_name']}), {threads(record['threads'])}, {DATA[record['input']]}"
        f"{f'; on {machine}' if machine else ''}"
    )


def provisional(cells: Iterable[Record]) -> str:
    """Return what makes a comparison provisional: that no cell has the launches that a verdict needs; else nothing.

    Nothing, too, where no speed was measured.
    """
    most = max(cell["launches"] for cell in cells)
    return "" if most >= FEWEST_ROUNDS or not most else f"provisional: {count(most, 'launch', 'launches')} each"


def sections(one: Comparison, base: str | None = None, machine: str = "") -> Iterator[Section]:
    """Yield a comparison's tables: each framework in its best mode, then in the same mode all that have it."""
    shared = title(one.cells[0], machine)
    modes = "; each in its best mode" if one.modes_chosen else ""
    mark = f"; {words}" if (words := provisional(one.cells)) else ""
    yield section(f"{shared}{modes}{mark}", one.best, base)
    if one.same:
        yield section(f"{shared}; all in the same mode: {one.same[0]['mode']}{mark}", one.same, base)


def section(named: str, cells: Sequence[Record], base: str | None = None) -> Section:
    """Return cells as text under a title, without the columns that say nothing."""
    lines = [{name: text(cell) for name, (_, text) in COLUMNS.items()} for cell in cells]
    empty = {"status": {"", "ok"}, "against": {"", "1"}}
    headings = {
        name: heading
        for name, (heading, _) in COLUMNS.items()
        if not {line[name] for line in lines} <= empty.get(name, {""})
    }
    if base and "against" in headings:
        headings["against"] = f"against {plain(base)}"
    return named, headings, lines


def first(*made: Section) -> tuple[str, ...]:
    """Return the columns of sections that are there however narrow the terminal is.

    What the gate says is one of them where it says less than `pass`: such a speed does not stand without it.
    """
    said = {line["lockstep"] for _, _, lines in made for line in lines}
    return FIVE if said <= {"pass", ""} else (*FIVE, "lockstep")


def listed(names: Iterable[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *rest, last = list(names) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def answers(found: Sequence[Comparison]) -> Iterator[str]:
    """Yield a line for each network, of the comparison that answers for it, and one on batch sizes if it has several.

    Where answers differ in more than their network, a line says in what.
    """
    leading = answering(found)
    for one in leading:
        name = _name(one.cells[0], [other.cells[0] for other in leading])
        yield answer(one, f"{name}, batch {one.cells[0]['batch_size']:,}")
        if words := batch_size(over_batch_sizes(one, found)):
            yield f"{name}: {words}"


def _name(record: Record, among: Sequence[Record]) -> str:
    """Return a network's name, with what else tells its answer from the others."""
    apart = [
        name
        for name in ("device", "machine", "dataset", "dtype", "input")
        if len({other.get(name) for other in among}) > 1
    ]
    words = [DATA.get(str(record[name]), str(record[name])) for name in apart]
    recipe = [] if record["recipe"] == record["model"] else [f"recipe {record['recipe']}"]
    return plain(", ".join([record["model"], *recipe, *words]))


def answer(one: Comparison, name: str) -> str:
    """Return who is fastest and how the others compare: `lenet, batch 100: torch 6,375 samples/s (± 7 %); ...`."""
    cells = [cell for cell in one.best if known(cell["train_samples_per_s"])]
    reference = next(filter(is_reference, cells), cells[0])
    first = _called(reference, one.modes_chosen)
    own = plus_minus(reference["low"], reference["high"]) if known(reference["low"]) else ""
    words = [f"{first} {rate(reference['train_samples_per_s'])} samples/s{f' ({own})' if own else ''}"]
    groups: dict[str, list[Record]] = {}
    for cell in cells:
        if cell is not reference and known(cell["ratio"]):
            groups.setdefault(cell["verdict"] or "", []).append(cell)
    for verdict, mine in groups.items():
        if verdict == "equivalent":
            words.append(f"{listed(_called(cell, False) for cell in mine)} equivalent")
        else:
            ratios = ", ".join(f"{_called(cell, False)} {bound(cell['ratio'], 2)}" for cell in mine)
            words.append(f"{ratios} of it" + (f", {verdict}" if verdict else ""))
    mark = provisional(one.cells)
    failed = sorted({_called(cell, False) for cell in one.cells if cell not in cells and cell["status"] != "ok"})
    words += [f"no speed of {listed(failed)}"] if failed else []
    words += [f"{mark}, a verdict needs {FEWEST_ROUNDS} rounds"] if mark else []
    return f"{name}: {'; '.join(words)}"


def _called(record: Record, with_mode: bool) -> str:
    """Return a framework's name; the adapters that are not the checkout's and, where asked for, the mode beside it.

    A lesser verdict of the gate is always there.
    """
    beside = [str(record["mode"])] if with_mode or record.get("revision") else []
    beside += [FLOAT32_ONLY] if is_float32_only(record) else []
    return plain(str(record["framework"]) + (f" ({', '.join(beside)})" if beside else ""))


def batch_size(found: Mapping[int, Comparison]) -> str:
    """Return which of a network's batch sizes to take, of comparisons by batch size; nothing where there is one."""
    if len(found) < 2:
        return ""
    fastest = {size: one.best[0] for size, one in found.items()}
    speeds = {size: cell["train_samples_per_s"] for size, cell in fastest.items()}
    enough, top = sufficient(speeds), fastest[max(speeds, key=lambda size: speeds[size])]
    sizes = listed(f"{size:,}" for size in found)
    words = f"batch size {enough:,}: the smallest of {sizes} with {100 * SUFFICIENT:.0f} % of the best speed, which is "
    words += f"{rate(top['train_samples_per_s'])} samples/s of {_called(top, False)}"
    by_framework: dict[str, dict[int, float]] = {}
    for size, one in found.items():
        for cell in one.best:
            if known(cell["train_samples_per_s"]):
                by_framework.setdefault(_called(cell, False), {})[size] = cell["train_samples_per_s"]
    own = {name: sufficient(mine) for name, mine in by_framework.items() if len(mine) == len(found)}
    if len(set(own.values())) > 1:
        words += "; by framework " + ", ".join(f"{name} {size:,}" for name, size in sorted(own.items()))
    return words + ("; provisional" if any(provisional(one.cells) for one in found.values()) else "")
