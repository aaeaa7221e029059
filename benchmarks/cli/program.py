"""What both programs' command lines are made of: commands, groups of them, and help whose sentences are whole.

At 80 columns typer's own help leaves a third of the line to the words, and its plain one cuts the first sentence of a
command. Here an option stands under the heading that it names as its `rich_help_panel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose options stand in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, those of one group together, in the order in which the groups come."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            if record := parameter.get_help_record(ctx):
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first paragraph, however long."""
        return first_paragraph(self.help)


class Group(TyperGroup):
    """A group of commands."""

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first paragraph, however long."""
        return first_paragraph(self.help)


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a help text on one line."""
    return " ".join((text or "").partition("\n\n")[0].split())


def program(commands: Mapping[str, Any], words: str, hidden: Iterable[str] = ()) -> typer.Typer:
    """Return a command line of commands (functions) and groups (from here); `hidden` names are not listed."""
    app = typer.Typer(
        cls=Group,
        help=words,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=Command, hidden=name in hidden)(command)
    return app
