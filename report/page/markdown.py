"""The headline as Markdown: the table that README holds comes from the same parts as the page's."""

from __future__ import annotations

from report.formats import markdown_text
from report.page import headline
from report.page.document import facts
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Group


def as_markdown(inputs: Inputs) -> str:
    """Return who is fastest, on what machine and when, and a table a headline comparison."""
    parts = [f"**{markdown_text(headline.title(inputs))}.** " + markdown_text(" ".join(headline.sentences(inputs)))]
    parts.append("Measured on " + markdown_text(", ".join(facts(inputs))) + ".")
    for group in headline.table(inputs).groups:
        parts.append(f"**{markdown_text(group.title)}**")
        parts.append("\n".join(lines(headline.COLUMNS, group)))
    return "\n\n".join(parts) + "\n"


def lines(columns: tuple[Column, ...], group: Group) -> list[str]:
    """Return a group as Markdown; a column's notes are a column of their own."""
    headings = [text for column in columns for text in ((column.text, column.note) if column.note else (column.text,))]
    rules = [rule for column in columns for rule in [("---:" if column.number else "---")] * (2 if column.note else 1)]
    found = [headings, rules]
    for line in group.lines:
        found.append([text for cell, column in zip(line.cells, columns, strict=True) for text in texts(cell, column)])
    return ["| " + " | ".join(row) + " |" for row in [*map(escape_all, found[:1]), rules, *map(escape_all, found[2:])]]


def texts(cell: Cell, column: Column) -> tuple[str, ...]:
    """Return a cell's text, and its note where its column has notes."""
    return (cell.text, cell.note) if column.note else (cell.text,)


def escape_all(row: list[str]) -> list[str]:
    """Escape every cell of a row."""
    return [markdown_text(text) for text in row]
