"""Hostile text for every text of a record: HTML, terminal, Markdown, LaTeX, formulas, and what reverses reading."""

from __future__ import annotations

from typing import Any

LEADS = ("=1+1 ", "+cmd|", "-2+3 ", "@SUM(1)", "\t=1", " =1", "[red] ", "*")  # how a formula, or markup, begins
PAYLOAD = (
    "</script></title><img src=x onerror=alert(1)><script>window.ran=1</script><svg onload=alert(2)>\"'` "
    "\x1b[31m\x1b]0;x\x07 [bold]b[/bold] |a`b`|\n\r# x \u202edrowssap\u2066 \x00 \\input{/etc/passwd} $a_1^2$ 50% & {~}"
)
CHECKED = {"device", "input", "task", "status", "lockstep"}  # the schema lets only known words pass
KNOWN = {"model", "recipe", "dataset", "dtype", "mode", "pixels", "samples"}  # else most sections are empty
NAMED = ("frameworks", "versions", "wall_s", "data", "machine")  # objects whose names are texts too


def hostile(value: Any, spared: set[str], name: str = "") -> Any:
    """Return a record with hostile text in every text and in names that may be any, but in what is spared.

    Equal texts stay equal; they begin with different signs.
    """
    match value:
        case str() if name not in spared:
            return LEADS[sum(map(ord, value)) % len(LEADS)] + value + PAYLOAD
        case dict():
            ending = PAYLOAD if name in NAMED else ""
            return {f"{key}{ending}": hostile(inner, spared, key) for key, inner in value.items()}
        case list():
            return [hostile(item, spared, name) for item in value]
    return value
