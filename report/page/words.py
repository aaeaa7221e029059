"""Numbers as people read them: sensible digits, units, and a dash for what is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from benchmarks.cli.answer import listed as _listed
from benchmarks.cli.answer import plus_minus
from benchmarks.cli.terminal import DATA
from benchmarks.errors import plain, threads
from benchmarks.stats import bound

listed = _listed  # `a, b and c`
NONE = "–"
WIDEST = 1.0  # half a width: beyond it an interval tells nothing, and is not drawn
DIRTY = "-dirty"  # git.commit's mark of a checkout with changes


def known(value: Any) -> bool:
    """Return whether there is a value: neither None nor NaN nor NA."""
    return value is not None and not pd.isna(value)


def text(value: Any) -> str:
    """Return text that may be missing."""
    return str(value) if known(value) else ""


def number(value: Any, form: str = ",.0f", unit: str = "") -> str:
    """Return a number in a format with its unit, a dash where there is none."""
    return format(float(value), form) + (f" {unit}" if unit else "") if known(value) else NONE


def speed(value: Any) -> str:
    """Return samples/s: whole, or three digits below 100."""
    return number(value, ",.0f" if known(value) and value >= 100 else ".3g")


def between(low: Any, high: Any, form: str | Callable[[float], str] = ",.0f") -> str:
    """Return an interval, empty where there is none; signed bounds are joined by a word."""
    if not (known(low) and known(high)):
        return ""
    if callable(form):
        return f"{form(float(low))}–{form(float(high))}"
    joint = " to " if form.startswith("+") else "–"
    return f"{float(low):{form}}{joint}{float(high):{form}}"


def within(low: Any, high: Any) -> str:
    """Return half the width of a speed's interval, `± 5 %`, as a factor's; empty where there is none."""
    return plus_minus(float(low), float(high)) if known(low) and known(high) and low > 0 else ""


def drawn(low: Any, high: Any) -> dict[str, float]:
    """Return a speed's bounds for a chart: none where there are none, or where they tell nothing."""
    told = known(low) and known(high) and low > 0 and (float(high) / float(low)) ** 0.5 - 1 <= WIDEST
    return {"low": float(low), "high": float(high)} if told else {}


def ratio(value: float) -> str:
    """Return a bound of a ratio in a sentence: two digits, or more where they decide the verdict."""
    return bound(value, 2)


def seconds(value: Any) -> str:
    """Return a duration in the unit that suits it: µs, ms, s or min."""
    if not known(value):
        return NONE
    value = float(value)
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if value < limit:
            return f"{value * factor:.3g} {unit}"
    return f"{value / 60:,.1f} min"


def steps(value: Any) -> str:
    """Return a number of training steps: at once, never, or the number."""
    if not known(value):
        return NONE
    return "at once" if value <= 0 else "never" if value == float("inf") else f"{float(value):,.0f}"


def size(value: Any) -> str:
    """Return bytes in the binary unit that suits them."""
    if not known(value):
        return NONE
    value = float(value)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:,.3g} GiB"


def short(text: Any, longest: int = 24) -> str:
    """Return text that is safe to show and no longer than a label may be."""
    safe = plain(str(text))
    return safe if len(safe) <= longest else safe[: longest - 1] + "…"


def commit(text: Any) -> str:
    """Return a commit's short name, with words in place of the mark that the checkout had changes of its own."""
    name = str(text)
    changed = " with local changes" if name.endswith(DIRTY) else ""
    return short(name.removesuffix(DIRTY), 12) + changed


def comparison(values: Mapping[Any, Any] | pd.Series[Any], *without: str) -> str:
    """Return in one line what the frameworks of a comparison share, most telling first, `without` some columns."""
    parts: dict[str, str] = {
        "recipe": short(values["recipe"], 40),
        "device": f"{str(values['device']).upper()} ({short(values['device_name'], 48)})",
        "batch_size": f"batch {values.get('batch_size', '')}",
        "dtype": short(values["dtype"]),
        "threads": threads(values["threads"]),
        "dataset": short(values["dataset"], 40),
        "input": DATA.get(str(values["input"]), short(values["input"])),
    }
    return ", ".join(parts[name] for name in parts if name not in without)
