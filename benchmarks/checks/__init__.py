"""What is wrong with this machine and with these results, in plain words: findings of a check that only looks.

A check changes nothing and reaches no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LEVELS = ("ok", "note", "warning", "error")
MOST = 10  # findings of one kind; thousands of lines help no reader


@dataclass(frozen=True)
class Finding:
    """`level` is one of LEVELS; `advice` says what to do next, empty where there is nothing to do."""

    level: str
    what: str
    found: str
    advice: str = ""


def shortened(found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the first findings of a kind, and one that counts the others."""
    yield from found[:MOST]
    if rest := found[MOST:]:
        worst = max((finding.level for finding in rest), key=LEVELS.index)
        yield Finding(worst, rest[0].what, f"and {len(rest):,} more of these")
