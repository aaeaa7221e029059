"""Do two revisions say the same of the kept results, but for renamed words? Prints what differs.

    python tests/studies/renamed.py OLD NEW       two checkouts with environments, .tox/bench in each

The words are those of renamed_words.tsv, regular expressions in turn (flags stand in alphabetical order); column widths
of tables follow them, so runs of spaces and rules count as one character.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = [line.split("\t") for line in Path(__file__).with_name("renamed_words.tsv").read_text().splitlines()]
SETS = ("reference", "curves")
WIDE = {"COLUMNS": "300"}


def outputs(checkout: Path) -> dict[str, str]:
    """Return what a checkout's report says of its kept results, by what was asked for."""
    found = {}
    for name in SETS:
        with tempfile.TemporaryDirectory() as folder:
            report(checkout, "page", "--results", f"results/{name}", "--out", f"{folder}/report.html")
            for form in ("md", "csv"):
                found[f"{name} report.{form}"] = Path(folder, f"report.{form}").read_text()
        for form in ("table", "csv", "markdown", "json"):
            asked = ("compare", "--results", f"results/{name}", "--all", "--format", form)
            found[f"{name} compare {form}"] = report(checkout, *asked)
    return found


def report(checkout: Path, *arguments: str) -> str:
    """Return what `python -m report` prints there."""
    python = checkout / ".tox" / "bench" / "bin" / "python"
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout), "LOCKSTEP_CACHE": tempfile.gettempdir(), **WIDE}
    line = [str(python), "-m", "report", *arguments]
    return subprocess.run(line, cwd=checkout, env=variables, capture_output=True, text=True, check=True).stdout


def renamed(text: str) -> list[str]:
    """Return the lines of an older revision's output in today's words."""
    for old, new in WORDS:
        text = re.sub(old, new, text)
    return plain(text)


def plain(text: str) -> list[str]:
    """Return lines whose runs of spaces and rules are one character long."""
    return [re.sub(r"([ ─━-])\1+", r"\1", line) for line in text.splitlines()]


def main() -> None:
    """Print a line for each output, and the first differences."""
    old, new = (outputs(Path(argument).resolve()) for argument in sys.argv[1:])
    for name, text in old.items():
        exact = text == new[name]
        found = [*difflib.unified_diff(renamed(text), plain(new[name]), lineterm="", n=0)]
        print(f"{name}: {'same bytes' if exact else 'same but for the words' if not found else 'differs'}")
        print(*found[:10], sep="\n", end="\n" * bool(found))


if __name__ == "__main__":
    main()
