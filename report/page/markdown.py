"""The headline as Markdown: the table that README holds comes from the same parts as the page's."""

from __future__ import annotations

from collections.abc import Iterable

from report.export.formats import markdown_text
from report.page.document import facts
from report.page.inputs import Inputs
from report.page.parts import Cell, Column, Group, Table
from report.page.sections import headline, summary
from report.page.sections.machines import machines


def as_markdown(inputs: Inputs) -> str:
    """Return who is fastest, on what machine and when, and a table a headline comparison; of several machines each."""
    found = machines(inputs)
    if len(found) < 2:
        return "\n\n".join(_single_machine(inputs)) + "\n"
    means = summary.Summary(inputs, found)
    parts = _paragraphs(means.title(), means.sentences())
    for group in (
        group for part in means.parts() if isinstance(part, Table) and not part.folded for group in part.groups
    ):
        parts += _tabled(summary.COLUMNS, group)
    for machine in found:
        parts += [f"### {markdown_text(machine.name)}", *_single_machine(machine.inputs)]
    return "\n\n".join(parts) + "\n"


def _single_machine(inputs: Inputs) -> list[str]:
    """Return the paragraphs on one machine."""
    parts = _paragraphs(headline.title(inputs), headline.sentences(inputs))
    parts.append("Measured on " + markdown_text(", ".join(facts(inputs))) + ".")
    return parts + [text for group in headline.table(inputs).groups for text in _tabled(headline.COLUMNS, group)]


def _paragraphs(title: str, sentences: Iterable[str]) -> list[str]:
    """Return the first paragraph: who is fastest."""
    return [f"**{markdown_text(title)}.** " + markdown_text(" ".join(sentences))]


def _tabled(columns: tuple[Column, ...], group: Group) -> list[str]:
    """Return a group's title and its lines as paragraphs."""
    return [f"**{markdown_text(group.title)}**", "\n".join(_lines(columns, group))]


def _lines(columns: tuple[Column, ...], group: Group) -> list[str]:
    """Return a group as Markdown; a column's notes are a column of their own."""
    headings = [text for column in columns for text in ((column.text, column.note) if column.note else (column.text,))]
    rules = [rule for column in columns for rule in [("---:" if column.number else "---")] * (2 if column.note else 1)]
    found = [headings, rules]
    for line in group.lines:
        found.append([text for cell, column in zip(line.cells, columns, strict=True) for text in _texts(cell, column)])
    return [
        "| " + " | ".join(row) + " |" for row in [*map(_escape_all, found[:1]), rules, *map(_escape_all, found[2:])]
    ]


def _texts(cell: Cell, column: Column) -> tuple[str, ...]:
    """Return a cell's text, and its note where its column has notes."""
    return (cell.text, cell.note) if column.note else (cell.text,)


def _escape_all(row: list[str]) -> list[str]:
    """Escape every cell of a row."""
    return [markdown_text(text) for text in row]
