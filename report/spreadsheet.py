"""CSV that is safe to open: a spreadsheet takes text that begins like a formula for one and runs it.

https://owasp.org/www-community/attacks/CSV_Injection: such text gets an apostrophe before it. Control characters are
written out, so that a line is a launch and a terminal shows the text. JSON and Parquet keep the text as it is.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd

from benchmarks.console import plain

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones are as good to some programs


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV without its index; numbers and lists stay as they are."""
    texts = [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].map(shown) for name in texts}).to_csv(index=False)


def shown(value: Any) -> Any:
    """Return a text as a cell, anything else as it is."""
    return cell(value) if isinstance(value, str) else value


@functools.cache  # a million launches have few different texts
def cell(text: str) -> str:
    """Return one text as a cell."""
    return ("'" if text.lstrip(" ").startswith(FORMULA) else "") + plain(text)
