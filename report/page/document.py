"""The page as one file: sections in order, two scripts and one style sheet, allowed by their hashes and nothing else.

And its beginning as Markdown, which README holds.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from benchmarks.errors import count, plain
from benchmarks.record.store import SweepFile, base_of
from report.formats import markdown_text
from report.page import charts, words
from report.page.charts import as_json, as_records
from report.page.inputs import Inputs, name_of
from report.page.looks import looks, signs
from report.page.parts import FACETS, Cell, Part, Section, Table, Words
from report.page.sections import (
    batches,
    history,
    lead,
    learning,
    releases,
    repeat,
    roofline,
    subjects,
    sureness,
    times,
    verified,
)
from report.page.sections.machines import Machine, Summary, left_out, machines, table, with_parts

TEMPLATES = Path(__file__).parents[1] / "templates"
SECTIONS = (batches.section, learning.section, times.section, releases.section, history.section, verified.section)
APPENDIX = (sureness.section, learning.by_epoch, roofline.section, verified.deviations, repeat.section)
COMMON = (subjects.section,)  # to all machines
CHOICES = {"model": "network", "device": "device", "batch": "batch size", "mode": "mode"}  # facets chosen one at a time


def build(inputs: Inputs, folder: Path | None = None, repository: str = "") -> str:
    """Return the page, with a part for each kind of machine if there are several. The same rows give the same text.

    It links to the files of rows if it is told in which `folder` it will lie, and to the repository if that is known.
    """
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"coded": _coded, "as_json": as_json, "as_records": _records}
    script, style = ((TEMPLATES / name).read_text() for name in ("script.js", "style.css"))
    drawn = looks(inputs.rows)
    library, style = charts.library(), style + signs(drawn)
    found = machines(inputs)
    content = _over(inputs, found) if len(found) > 1 else _single_machine(inputs, (*APPENDIX, *COMMON))
    return environment.get_template("page.html").render(
        policy=_policy([library, script], style),
        script=Markup(script),  # noqa: S704  # ours, from the file beside the template
        library=Markup(library),  # noqa: S704  # out of the pinned package
        style=Markup(style),  # noqa: S704
        settings=Markup(as_json(charts.settings(drawn) | {"words": lead.WORDS})),  # noqa: S704
        choices=_choices(inputs),
        frameworks=[(name, words.short(name)) for name in _values(inputs.frame["framework"])],
        files=[(words.short(sweep.path.name, 60), _link(sweep.path, folder)) for sweep in inputs.used],
        repository=repository,
        **{"machines": [], "sections": [], "appendix": [], **content},
    )


def _link(path: Path, folder: Path | None) -> str:
    """Return the way from a folder to a file, empty where no folder is told."""
    return quote(os.path.relpath(path, folder)) if folder else ""


def _single_machine(inputs: Inputs, appendix: Iterable[Any]) -> dict[str, Any]:
    """Return what a page, or its part on one machine, is filled with."""
    found: dict[str, list[Section]] = {
        kind: [section for make in makers if (section := make(inputs)) is not None]
        for kind, makers in (("sections", SECTIONS), ("appendix", appendix))
    }
    return {
        "title": lead.title(inputs),
        "warning": inputs.warning,
        "sentences": [] if inputs.headline else list(lead.sentences(inputs)),
        "lead": lead.parts(inputs),
        "facts": list(facts(inputs)),
        **{kind: [Section(inputs.part + s.name, s.title, s.parts) for s in made] for kind, made in found.items()},
    }


def _over(inputs: Inputs, found: list[Machine]) -> dict[str, Any]:
    """Return what a page on several machines is filled with: what they say together, then each by itself."""
    summary, alone = Summary(inputs, found), with_parts(found)
    notes = [Words([words], style="note") for words in left_out(found, alone)]
    parts = [{**_single_machine(made.inputs, APPENDIX), "part": made.part, "name": made.name} for made in alone]
    return {
        "title": summary.title(),
        "warning": inputs.warning,
        "sentences": list(summary.sentences()),
        "lead": [table(found, alone), *notes, *summary.parts()],
        "facts": list(_across_machines(inputs, found)),
        "machines": parts,
        "appendix": [make(inputs) for make in COMMON],
    }


def _across_machines(inputs: Inputs, found: list[Machine]) -> Iterator[str]:
    """Yield in short what was measured on all machines, what sweeps over machines asked for, and what is not read."""
    yield count(len(found), "kind of machine", "kinds of machine")
    days = sorted({str(began)[:10] for began in inputs.frame["started_at"]})
    yield words.short(" to ".join(dict.fromkeys([days[0], days[-1]])))
    yield from _launches(inputs)
    for sweep in inputs.sweeps:
        asked = sweep.run.get("requested", {})
        if "engine" in sweep.run and isinstance(asked.get("launches"), int):
            engine, name = words.short(sweep.run["engine"]["name"]), words.short(name_of(sweep), 40)
            yield f"sweep {name} over machines ({engine}): {asked['launches']:,} launches asked"
    if unread := sum(len(sweep.problems) for sweep in inputs.sweeps):
        yield f"{count(unread, 'line')} could not be read"


def _coded(text: str) -> Markup:
    """Return text with what stands between backticks as code."""
    forms = Markup("{}"), Markup("<code>{}</code>")
    return Markup("").join(forms[place % 2].format(piece) for place, piece in enumerate(text.split("`")))


def _records(found: list[dict[str, Any]]) -> Markup:
    """Return a chart's records as JSON that stands in a page as it is."""
    return Markup(as_records(found))  # noqa: S704  # it has no `<`


def _policy(scripts: list[str], style: str) -> str:
    """Return a content security policy under which nothing but these very scripts and style sheet can act."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (*scripts, style)]
    *scripted, styled = (f"'sha256-{digest}'" for digest in digests)
    allowed = f"script-src {' '.join(scripted)}; style-src {styled}"
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def _values(column: Iterable[Any]) -> list[str]:
    """Return a facet's values as the page's parts carry them, numbers by size."""
    found = {str(value) for value in column}
    return [plain(value) for value in sorted(found, key=lambda v: (not v.isdecimal(), int(v) if v.isdecimal() else v))]


def _choices(inputs: Inputs) -> list[tuple[str, str, list[str]]]:
    """Return (facet, label, values) of the facets with something to choose from."""
    found = [(facet, label, _values(inputs.frame[FACETS[facet]])) for facet, label in CHOICES.items()]
    return [choice for choice in found if len(choice[2]) > 1]


def facts(inputs: Inputs) -> Iterator[str]:
    """Yield in short on what was measured, when and how much: the newest file's machine, cards, launches."""
    machine = inputs.used[-1].run.get("machine", {}) if inputs.used else {}
    name = machine.get("cpu") or next(iter(inputs.frame["device_name"].iloc[-1:]), "unknown machine")
    cores, memory = machine.get("physical_cores"), machine.get("memory_bytes")
    yield words.short(name, 60)
    if isinstance(cores, int):
        yield count(cores, "core") + (f", {words.size(memory)}" if isinstance(memory, int) else "")
    cards = sorted(set(inputs.frame.loc[inputs.frame["device"] == "gpu", "device_name"]))
    yield from (words.short(card, 60) for card in cards)
    yield str(inputs.frame["started_at"].max())[:10]
    yield from _launches(inputs)


def _launches(inputs: Inputs) -> Iterator[str]:
    """Yield how many launches there are, noisy and ok, and how many were asked for and not made, with reasons."""
    tasks, good = inputs.frame["task"], inputs.frame["status"] == "ok"
    noisy = sum("noisy" in (flags or ()) for flags in inputs.frame["flags"][tasks == "speed"])
    made = [
        f"{count(int((tasks == task).sum()), f'{task} launch', f'{task} launches')}{note}"
        for task, note in (("speed", f" ({noisy:,} noisy)"), ("accuracy", ""))
        if (tasks == task).any()
    ]
    yield f"{words.listed(made)}, {'all' if good.all() else f'{good.sum():,}'} ok"
    asked = _accounts(inputs)
    if missing := sum(map(_not_made, asked)):
        stops = [stop for sweep in (*inputs.used, *asked) for stop in sweep.stops]
        reasons = sorted({words.short(stop["reason"]) for stop in stops} - {"rounds"})
        why = f" ({words.listed(reasons)})" if reasons else ""
        yield f"{missing:,} more asked for and not made{why}"


def _accounts(inputs: Inputs) -> list[SweepFile]:
    """Return the files that say how much was asked for: a driver's for its members, which is of all kinds of machine.

    The part of one kind has none of those: what was not made may have been for any.
    """
    drivers = [] if inputs.part else [sweep for sweep in inputs.sweeps if "engine" in sweep.run]
    bases = {base_of(name) for name in inputs.frame["sweep"].unique()}
    alone = [sweep for sweep in inputs.used if "engine" not in sweep.run]
    return [*(sweep for sweep in drivers if name_of(sweep) in bases), *alone]


def _not_made(sweep: SweepFile) -> int:
    """Return how many of a sweep's launches have no row, resumed ones counted; 0 where its records do not say."""
    requested = sweep.run.get("requested", {})
    asked, reported = (part.get(name) for part, name in ((requested, "launches"), (sweep.end, "reported")))
    return max(0, asked - reported) if isinstance(asked, int) and isinstance(reported, int) else 0


def as_markdown(inputs: Inputs) -> str:
    """Return who is fastest, on what machine and when, and a table a headline comparison; of several machines each."""
    found = machines(inputs)
    if len(found) < 2:
        return "\n\n".join(_on_one(inputs)) + "\n"
    means = Summary(inputs, found)
    parts = [_first(inputs.warning, means.title(), means.sentences()), *_tables(means.parts())]
    parts += map(markdown_text, left_out(found, with_parts(found)))
    for machine in with_parts(found):
        parts += [f"### {markdown_text(machine.name)}", *_on_one(machine.inputs)]
    return "\n\n".join(parts) + "\n"


def _on_one(inputs: Inputs) -> list[str]:
    """Return the paragraphs on one machine."""
    measured = "Measured on " + markdown_text(", ".join(facts(inputs))) + "."
    nothing = [] if inputs.headline else lead.sentences(inputs)  # else the tables say the same
    first = _first(inputs.warning, lead.title(inputs), nothing)
    sizes = "\n".join(f"- {markdown_text(claim)}" for claim in batches.of_headline(inputs))
    return [first, measured, *_tables([lead.table(inputs)]), *filter(None, [sizes])]


def _first(warning: str, title: str, sentences: Iterable[str]) -> str:
    """Return the first paragraph: whether the machine was busy, who is fastest, and how fast."""
    parts = [markdown_text(warning), f"**{markdown_text(title)}.**", markdown_text(" ".join(sentences))]
    return " ".join(filter(None, parts))


def _tables(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the tables among these parts that need no opening: of each group its title, and its lines as Markdown."""
    for shown in (part for part in parts if isinstance(part, Table) and not part.folded):
        headings = [column.text for column in shown.columns]
        rules = ["---:" if column.number else "---" for column in shown.columns]
        for group in shown.groups:
            yield f"**{markdown_text(group.title)}**"
            rows = [headings, rules, *([_text(cell) for cell in line.cells] for line in group.lines)]
            yield "\n".join("| " + " | ".join(map(markdown_text, row)) + " |" for row in rows)


def _text(cell: Cell) -> str:
    """Return a cell's text with its note: `7,427 ± 5 %`, `0.86 (not distinguished)`."""
    note = cell.note if not cell.note or cell.note.startswith("±") else f"({cell.note})"
    return f"{cell.text} {note}".strip()
