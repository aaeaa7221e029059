"""--help: whole sentences at 80 columns, every option in a group and explained."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.__main__ import app as benchmarks_app
from report.cli import app as report_app

APPS = {"benchmarks": benchmarks_app, "report": report_app}


def below(command, *words):
    """Yield the words of every command and group from here on, and itself."""
    yield words, command
    for name, other in getattr(command, "commands", {}).items():
        yield from below(other, *words, name)


ALL = [found for name, app in APPS.items() for found in below(typer.main.get_command(app), name)]


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_nothing_is_cut_and_no_line_is_longer_than_a_terminal(words, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(APPS[words[0]], [*words[1:], "--help"])
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    assert "…" not in done.output
    assert "..." not in done.output.partition("\n")[2].replace(",...", "").replace("IMAGE...", "")
    shown = " ".join(done.output.split())
    for other in getattr(command, "commands", {}).values():
        first = " ".join(other.help.partition("\n\n")[0].split())
        assert (first in shown) != other.hidden
        assert first.endswith(".")


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_every_option_is_explained_by_a_sentence_of_a_group(words, command):
    for parameter in command.params:
        if not parameter.hidden and parameter.param_type_name == "option":
            assert parameter.help.endswith("."), parameter.name
            assert parameter.rich_help_panel or parameter.name in ("as_json", "help"), parameter.name
