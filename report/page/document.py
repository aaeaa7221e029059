"""The page as one file: sections in order, one script and one style sheet, allowed by their hashes and nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from benchmarks.console import plain
from report.page import equality, headline, learning, repeat, roofline, subjects, sureness, throughput, times, words
from report.page.inputs import Inputs
from report.page.palette import BLACK, LOOKS, OTHER
from report.page.parts import FACETS, Section

TEMPLATES = Path(__file__).parents[1] / "templates"
SECTIONS = (throughput, learning, times, roofline, equality, sureness, subjects, repeat)
CHOICES = {"model": "network", "device": "device", "batch": "batch size", "mode": "mode"}  # facets chosen one at a time


def build(inputs: Inputs) -> str:
    """Return the page. The same rows give the same text."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["coded"] = coded
    script, style = ((TEMPLATES / name).read_text() for name in ("script.js", "style.css"))
    style += signs()
    first = Section("lead", headline.title(inputs), headline.parts(inputs))
    return environment.get_template("page.html").render(
        policy=policy(script, style),
        script=Markup(script),  # noqa: S704  # ours, from the file beside the template
        style=Markup(style),  # noqa: S704
        lead=first,
        sentences=list(headline.sentences(inputs)),
        facts=list(facts(inputs)),
        sections=[module.section(inputs) for module in SECTIONS],
        choices=choices(inputs),
        frameworks=[(name, words.short(name)) for name in values(inputs.frame["framework"])],
    )


def coded(text: str) -> Markup:
    """Return text with what stands between backticks as code."""
    forms = Markup("{}"), Markup("<code>{}</code>")
    return Markup("").join(forms[place % 2].format(piece) for place, piece in enumerate(text.split("`")))


def policy(script: str, style: str) -> str:
    """Return a content security policy under which nothing but this very script and style sheet can act."""
    allowed = [f"{kind}-src '{digest(text)}'" for kind, text in (("script", script), ("style", style))]
    return "; ".join(["default-src 'none'", *allowed, "img-src data:", "base-uri 'none'", "form-action 'none'"])


def digest(text: str) -> str:
    """Return the hash of an inline script or style sheet as a policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def signs() -> str:
    """Return the rules that put each framework's sign, in its colour, before its name in tables and filter."""
    known = {name: f'="{name}"' for name in LOOKS}
    return "".join(
        f"tr[data-framework{name}] > th::before, [data-sign{name}]::before "
        f'{{ content: "{made.sign}" / ""; color: {"currentColor" if made.colour == BLACK else made.colour}; }}\n'
        for name, made in [("", OTHER), *((known[name], LOOKS[name]) for name in LOOKS)]
    )


def values(column: Iterable[Any]) -> list[str]:
    """Return a facet's values as the page's parts carry them, numbers by size."""
    found = {str(value) for value in column}
    return [plain(value) for value in sorted(found, key=lambda v: (not v.isdecimal(), int(v) if v.isdecimal() else v))]


def choices(inputs: Inputs) -> list[tuple[str, str, list[str]]]:
    """Return (facet, label, values) of the facets with something to choose from."""
    found = [(facet, label, values(inputs.frame[FACETS[facet]])) for facet, label in CHOICES.items()]
    return [choice for choice in found if len(choice[2]) > 1]


def facts(inputs: Inputs) -> Iterator[str]:
    """Yield in short what was measured, on what and when: the newest file's machine, all commits, and the launches."""
    run = inputs.used[-1].run if inputs.used else {}
    told = run.get("machine")
    machine = told if isinstance(told, dict) else {}
    name = machine.get("cpu") or inputs.frame["device_name"].iloc[-1]
    cores, memory = machine.get("physical_cores"), machine.get("memory_bytes")
    yield words.short(name, 60)
    if isinstance(cores, int):
        yield words.count(cores, "core") + (f", {words.size(memory)}" if isinstance(memory, int) else "")
    cards = sorted(set(inputs.frame.loc[inputs.frame["device"] == "gpu", "device_name"]))
    yield from (words.short(card, 60) for card in cards)
    yield str(inputs.frame["started_at"].max())[:10]
    said = [sweep.run.get("commit") for sweep in inputs.used]
    commits = dict.fromkeys(words.short(commit.split("-")[0], 12) for commit in said if isinstance(commit, str))
    if commits:
        yield f"{'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}"
    good = int((inputs.frame["status"] == "ok").sum())
    yield f"{words.count(len(inputs.frame), 'launch', 'launches')}, {good:,} ok"
