"""What a page is made of: tables, charts and sentences as plain data, which the templates turn into HTML.

`facets` are what the page filters by (model, device, batch, mode, framework): a part without one is never hidden by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from benchmarks.errors import plain

Facets = dict[str, str]
FACETS = {"model": "model", "device": "device", "batch": "batch_size", "mode": "mode", "framework": "framework"}


def facets(record: Mapping[Any, Any] | pd.Series[Any], *names: str) -> Facets:
    """Return what a line or mark is filtered by: of `names`, or of all facets, those that the record has."""
    return {name: plain(str(record[FACETS[name]])) for name in names or FACETS if FACETS[name] in record}


@dataclass(frozen=True)
class Cell:
    """One cell of a table: text, a smaller note, what sorting goes by (else the text), a style's name.

    `link` is the id within the page, or the file beside it, that its text leads to.
    """

    text: str = ""
    note: str = ""
    value: float | None = None
    style: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading, its notes' heading, whether it holds numbers, and what makes its cell of a record."""

    text: str
    note: str = ""
    number: bool = False
    cell: Callable[[Any], Cell] = lambda _: Cell()


@dataclass(frozen=True)
class Line:
    """One line of a table; its first cell is its heading.

    `versus` is what the page's script shows of a comparison's line once the lines before it are filtered away: for each
    of those, ratio and verdict against it.
    """

    cells: tuple[Cell, ...]
    facets: Facets = field(default_factory=dict)
    versus: Sequence[tuple[str, str]] = ()
    hidden: bool = False


@dataclass(frozen=True)
class Group:
    """Lines of a table that belong together and are sorted among themselves, below a title or none."""

    lines: Sequence[Line]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `folded` ones are opened by the reader, `style` names its look."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group]
    folded: bool = False
    style: str = ""


@dataclass(frozen=True)
class Chart:
    """Records drawn by one of charts.KINDS, a caption, what it says in words for those who cannot see it.

    Where records have a facet's name, the filter chooses among them by it.
    """

    drawn: str
    records: Sequence[Mapping[str, Any]]
    caption: str
    words: str
    facets: Facets = field(default_factory=dict)


@dataclass(frozen=True)
class Charts:
    """Charts side by side, as many in a row as fit."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Beside:
    """A table and its chart side by side, below a sentence; `comparison` ones answer, and follow the filter.

    Of those only the `shown` stand there before anything is chosen.
    """

    kind: ClassVar[str] = "beside"
    sentence: str
    note: str
    table: Table
    chart: Chart | None
    facets: Facets = field(default_factory=dict)
    comparison: bool = False
    shown: bool = True


@dataclass(frozen=True)
class Words:
    """Sentences: one a paragraph, or as the points of a list."""

    kind: ClassVar[str] = "words"
    sentences: Sequence[str]
    points: bool = False
    style: str = ""


@dataclass(frozen=True)
class Digit:
    """One image of the data as a data URI, with what it shows."""

    uri: str
    words: str


@dataclass(frozen=True)
class Digits:
    """Images of the data in a row, below a heading."""

    kind: ClassVar[str] = "digits"
    caption: str
    digits: Sequence[Digit]
    facets: Facets = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Small tables side by side."""

    kind: ClassVar[str] = "grid"
    caption: str
    tables: Sequence[tuple[Table, Facets]]
    folded: bool = False


@dataclass(frozen=True)
class Flow:
    """A network as a chain of boxes: (name, what comes out, note) each."""

    kind: ClassVar[str] = "flow"
    caption: str
    boxes: Sequence[tuple[str, str, str]]
    facets: Facets = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """Lines to type in a terminal."""

    kind: ClassVar[str] = "command"
    caption: str
    lines: Sequence[str]


Part = Table | Charts | Beside | Words | Digits | Grid | Flow | Command


@dataclass(frozen=True)
class Section:
    """One numbered part of the page; `name` is what links end in."""

    name: str
    title: str
    parts: Sequence[Part]
