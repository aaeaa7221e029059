"""How frameworks and their releases are drawn: a framework by its record, its other releases by steps away from that.

An arm, such as jax@0.7.2, has its framework's colour and marker. What tells it apart, without colour as well, is its
line, which has as many strokes before a gap as there are releases between, and its marker, which is hollow or half
full. Its colour moves towards that of the page's text, so that it is as legible in light as in dark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from adapters.registry import BLACK, FRAMEWORKS, Look, framework_of, is_arm, record
from report.tables.between import age

STEP, FARTHEST = 30, 75  # per cent of the text's colour in an arm's
FILLS = (0.0, 0.45)  # of markers, in turn: hollow, half full
STROKE, WITHIN, GAP = 4.0, 2.0, 7.0  # of lines: a wide gap after each group of strokes


@dataclass(frozen=True)
class Drawn(Look):
    """A look, and how opaque its marker's inside is."""

    fill: float = 1.0


def looks(frame: pd.DataFrame) -> dict[str, Drawn]:
    """Return the look of every framework that there is a record of, of "", any other, and of arms among these rows.

    The framework as it is pinned has its own look, or where rows have none of it the newest arm.
    """
    found = {name: Drawn(**vars(record(name).look)) for name in ("", *FRAMEWORKS)}
    versions = frame.groupby("framework", observed=True)["framework_version"].first()
    arms: dict[str, list[str]] = defaultdict(list)
    for arm in sorted(map(str, versions.index), key=lambda arm: age(versions[arm], arm), reverse=True):
        if is_arm(arm):  # rows are anybody's: no other name stands in a style sheet
            arms[framework_of(arm)].append(arm)
    for framework, older in arms.items():
        behind = int(framework in versions)  # how many releases the newest of them is behind the one with that look
        found |= {arm: stepped(found[framework], place) for place, arm in enumerate(older, behind)}
    return found


def stepped(look: Drawn, steps: int) -> Drawn:
    """Return a look that is so many steps away from a framework's own, which none are."""
    if not steps:
        return look
    end = "#808080" if look.colour == BLACK else BLACK
    colour = f"color-mix(in oklab, {look.colour}, {end} {min(STEP * steps, FARTHEST)}%)"
    dash = (*(STROKE, WITHIN) * (steps - 1), STROKE, GAP)
    return Drawn(colour, look.shape, dash, look.sign, FILLS[(steps - 1) % len(FILLS)])


def signs(found: Mapping[str, Drawn]) -> str:
    """Return the rules that put each look's sign before its name in tables and filter, an arm's after its framework's.

    Its inside is as opaque as that of its marker. In a rule of an element's colour its text's has another name.
    """
    rules = []
    for name, look in found.items():
        selectors = [f'="{name}"', *([] if "@" in name else [f'^="{name}@"'])] if name else [""]
        for selector in selectors:
            colour = look.colour if "@" not in name else look.colour.replace(BLACK, "var(--text)")
            inside = colour if look.fill == 1 else f"color-mix(in srgb, {colour} {100 * look.fill:g}%, transparent)"
            outline = "" if look.fill == 1 else f" -webkit-text-stroke: 1px {colour};"
            rules.append(
                f"tr[data-framework{selector}] > th::before, [data-sign{selector}]::before "
                f'{{ content: "{look.sign}" / ""; color: {inside};{outline} }}\n'
            )
    return "".join(rules)
