"""The commands that stand in README and docs, as a user types them, and as lines of the program that they run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^ {4}((?:\S*/)?(?:tox|python) .*)$", re.MULTILINE)
SPAN = re.compile(r"`((?:tox -e|python -m) [^`\n]+)`")
PROGRAMS = {  # what an environment of tox runs, as tox.ini says
    "bench": ["benchmarks", "run"],
    "compare": ["report", "compare"],
    "report": ["report", "page"],
    "micro": ["benchmarks", "micro"],
    "demo": ["benchmarks", "demo"],
    "engine": ["benchmarks"],
}


def typed(document: Path) -> Iterator[str]:
    """Yield the commands of a document in their order: lines of code, then those within sentences, each once."""
    text = document.read_text()
    yield from dict.fromkeys([*BLOCK.findall(text), *SPAN.findall(text)])


def program_line(command: str) -> list[str] | None:
    """Return the words after `python -m` of a command that runs benchmarks or report, else None."""
    words = shlex.split(command.replace(" ...", ""))
    if words[1:2] == ["-m"]:
        return words[2:] if words[2] in ("benchmarks", "report") and len(words) > 3 else None
    if words[:2] != ["tox", "-e"] or len(words) < 3:
        return None
    environment, given = words[2], words[4:]
    if environment.endswith(("-cpu", "-gpu")):
        return ["benchmarks", "run", "--environment", environment, *given]
    return [*PROGRAMS[environment], *given] if environment in PROGRAMS else None


COMMANDS = [
    (str(path.relative_to(ROOT)), command, line)
    for path in DOCUMENTS
    for command in typed(path)
    if (line := program_line(command))
]
