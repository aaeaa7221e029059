"""Numbers of things in words for people."""

from __future__ import annotations


def count(amount: int, what: str, many: str = "") -> str:
    """Return `1 launch`, `2 launches`."""
    return f"{amount:,} {what if amount == 1 else many or what + 's'}"


def threads(amount: object) -> str:
    """Return `1 thread`, `2 threads`, also of an amount that a table does not know."""
    return f"{amount} thread{'' if str(amount) == '1' else 's'}"
