"""Documents name files, commands, options and environments that exist, and the README names every command."""

from __future__ import annotations

import configparser
import itertools
import re
import shlex
from pathlib import Path

import pytest
import typer

from benchmarks.__main__ import app as benchmarks_app
from report.cli import app as report_app
from tests import documents as typed

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "results/README.md", ROOT / "adapters/NOTES.md"]
FOLDERS = ("adapters", "benchmarks", "docs", "report", "requirements", "results", "tests")
MADE = ("report/out", "results/micro")  # what commands write; git ignores it


def commands(found, *words):
    """Yield the words of each command below this one, and the command."""
    for name, command in getattr(found, "commands", {}).items():
        yield from commands(command, *words, name)
    if not hasattr(found, "commands"):
        yield words, found


COMMANDS = {
    words: command
    for program, app in (("benchmarks", benchmarks_app), ("report", report_app))
    for words, command in commands(typer.main.get_command(app), program)
}
ALL_OPTIONS = {
    option
    for command in COMMANDS.values()
    for parameter in command.params
    for option in parameter.opts + parameter.secondary_opts
}
# of click, tox, uvx, pytest-benchmark, requirements/lock.py and venv
OF_OTHERS = {"--help", "--notest", "--storage", "--upgrade", "--with", "--without-pip"}


def parsed(line):
    """Let the command line read a command; it raises for what it does not know."""
    words = shlex.split(line.replace("...", ""))
    name = next(tuple(words[:size]) for size in (3, 2) if tuple(words[:size]) in COMMANDS)
    return COMMANDS[name].make_context(" ".join(name), words[len(name) :])


def environments():
    """Return the names of all environments in tox.ini, factors such as {a,b}-{c,d} expanded."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    for section in parser.sections():
        parts = [group.split(",") for group in re.findall(r"[^{}]+", section.removeprefix("testenv:"))]
        yield from ("".join(names) for names in itertools.product(*parts))


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request):
    return request.param


def test_paths_and_links_lead_somewhere(document):
    text = document.read_text()
    named = set(re.findall(rf"(?<![\w/~.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w", text))
    wanted = {name for name in named if not name.startswith(MADE) and "NAME" not in name}
    assert {name for name in wanted if not (ROOT / name).exists()} == set()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_commands_and_options_are_the_program_s(document):
    text = document.read_text().replace(" -->", "")
    for words in re.findall(r"python -m ((?:benchmarks|report) [a-z][^`\n#|>]*)", text):
        parsed(words)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= ALL_OPTIONS | OF_OTHERS
    modules = re.findall(r"python -m (tests[\w.]+)", text)
    assert [name for name in modules if not (ROOT / (name.replace(".", "/") + ".py")).is_file()] == []


@pytest.mark.parametrize(("document", "command", "line"), typed.COMMANDS, ids=lambda part: str(part)[:60])
def test_the_command_line_reads_what_a_document_types(document, command, line):
    """Those for cards and clusters, too, which no test can run."""
    parsed(shlex.join(line))


def test_environments_are_those_of_tox(document):
    assert set(re.findall(r"tox -e ([a-z-]+)", document.read_text())) <= set(environments())


def test_every_document_is_in_the_readme_and_every_command_and_environment_in_one_document():
    readme = (ROOT / "README.md").read_text()
    assert {f"docs/{path.name}" for path in ROOT.glob("docs/*.md")} <= set(re.findall(r"`(docs/[\w.]+)`", readme))
    named = re.findall(r"`([\w -]+)", (ROOT / "docs/commands.md").read_text())
    words = {word for span in named for word in span.split()}
    assert {word for name, command in COMMANDS.items() if not command.hidden for word in name[1:]} <= words
    of_tox = {name for name in environments() if name and not name.endswith(("-cpu", "-gpu"))}
    assert of_tox - {"tox", "harness", "testenv"} <= words


def test_the_readme_is_read_to_its_end():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
