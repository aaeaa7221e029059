"""A table in every form: terminal, Markdown and LaTeX for people, CSV and JSON for programs.

People get sections of text (title, headings by column, lines of cells), programs the frame with all digits. Text from a
row stays text: no markup, no control characters. In CSV, text that begins like a formula gets an apostrophe before it,
as a spreadsheet would run it (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import functools
import html
import io
import json
from collections.abc import Collection, Iterable, Iterator

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.cli import tables
from benchmarks.cli.answer import Section
from benchmarks.cli.terminal import show
from benchmarks.errors import UsageError, plain

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones are as good to some programs


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV without its index; numbers and lists stay as they are."""
    texts = [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    cells = {name: [_cell(value) if isinstance(value, str) else value for value in frame[name]] for name in texts}
    return frame.assign(**cells).to_csv(index=False)


@functools.cache  # a million launches have few different texts
def _cell(text: str) -> str:
    """Return one text as a cell."""
    return ("'" if text.lstrip(" ").startswith(FORMULA) else "") + plain(text)


FORMATS = ("table", "markdown", "csv", "json", "latex")
LATEX = {  # what is special to it, in the text fonts of every encoding; a line's end takes brackets and stars too
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{c: f"{{{c}}}" for c in "[]*`'-"},  # the last three would join with their like: no dashes, no curly quotes
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}"},
    **{">": "\\textgreater{}", "|": "\\textbar{}", '"': "\\symbol{34}"},
}


def known_form(form: str) -> str:
    """Return the form; UsageError lists what there is."""
    if form not in FORMATS:
        raise UsageError(f"--format {form}: expected {', '.join(FORMATS)}")
    return form


def text(form: str, table: pd.DataFrame, sections: Iterable[Section], numeric: Iterable[str] = ()) -> str:
    """Return a table in any form but the terminal's; `numeric` are the columns that stand to the right."""
    match known_form(form):
        case "markdown":
            return markdown(sections)
        case "latex":
            return _latex(sections, set(numeric))
        case "csv":
            return as_csv(table)
        case _:
            values = table.astype(object).where(table.notna(), None)
            return json.dumps(values.to_dict("records"), indent=2, allow_nan=False) + "\n"


def filled(sections: Iterable[Section]) -> Iterator[Section]:
    """Yield sections without the columns that have nothing to say."""
    for title, headings, lines in sections:
        yield title, {name: heading for name, heading in headings.items() if any(cells[name] for cells in lines)}, lines


def terminal(
    sections: Iterable[Section],
    numeric: Collection[str],
    width: int | None = None,
    first: Collection[str] | None = None,
    below: Collection[str] = (),
) -> Iterator[Table | str]:
    """Yield the terminal's table of each section, then in a line for each cell what `below` of it has no column there.

    The table has the columns `first`, all unless named, and of the others as many as the width has room for.
    """
    for section in sections:
        _, headings, lines = section
        made = tables.fitted(section, numeric, width, headings if first is None else first)
        yield made
        for name in list(headings)[len(made.columns) :]:
            if name in below:
                told = [cells for cells in lines if cells[name]]
                yield from (f"{cells['framework']}, {cells['mode']}: {headings[name]}: {cells[name]}" for cells in told)


def markdown(sections: Iterable[Section]) -> str:
    """Return Markdown, a heading for each section; what a row says cannot end a table cell."""
    parts = []
    for title, headings, lines in sections:
        rows = [list(headings.values()), *([cells[name] for name in headings] for cells in lines)]
        parts.append(f"### {markdown_text(title)}\n\n{markdown_table([map(markdown_text, row) for row in rows])}\n")
    return "\n".join(parts)


def markdown_table(rows: Iterable[Iterable[str]]) -> str:
    """Return a table of cells that are Markdown; the first row is the headings."""
    headings, *lines = map(list, rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, ["---"] * len(headings), *lines))


def markdown_text(words: str) -> str:
    """Escape what Markdown or HTML would read as more than text."""
    words = html.escape(plain(" ".join(words.split())), quote=False)
    return "".join("\\" + c if c in "\\|`[]*_" else c for c in words)


def _latex(sections: Iterable[Section], numeric: set[str]) -> str:
    """Return a LaTeX table for each section, its title as the caption; needs the package booktabs."""
    parts = []
    for title, headings, lines in sections:
        cells = [[_latex_text(line[name]) for name in headings] for line in lines]
        frame = pd.DataFrame(cells, columns=[_latex_text(heading) for heading in headings.values()], dtype="string")
        sides = "".join("r" if name in numeric else "l" for name in headings)
        parts.append(frame.to_latex(index=False, escape=False, caption=_latex_text(title), column_format=sides))
    return "\n".join(parts)


def _latex_text(words: str) -> str:
    """Escape what LaTeX would read as more than text; what its text fonts may lack is written out."""
    return "".join(LATEX.get(c, c) if c.isascii() else _latex_letter(c) for c in plain(" ".join(words.split())))


def _latex_letter(letter: str) -> str:
    """Return a letter outside of ASCII: one of Latin-1 as it is, another by its number."""
    return letter if letter.isalpha() and letter <= "ÿ" else _latex_text(f"\\u{ord(letter):04x}")


def plain_tables(sections: Iterable[Section], numeric: Collection[str]) -> str:
    """Return the terminal's tables as text without colours, as wide as they need to be."""
    written = io.StringIO()
    console = Console(file=written, width=10_000, no_color=True, emoji=False)
    show(console, terminal(sections, numeric))
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())
