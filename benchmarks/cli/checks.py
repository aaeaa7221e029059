"""`check` and `selfcheck`: what is wrong with this machine and these results, and does our measuring measure?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from benchmarks import checks, errors
from benchmarks.checks import selfcheck
from benchmarks.checks.finding import LEVELS, Finding
from benchmarks.cli import tables
from benchmarks.cli.terminal import Wait, deliver, out, say
from benchmarks.errors import UsageError
from benchmarks.machine import environments, lock
from benchmarks.plan.typed import values

STYLES = dict(zip(LEVELS, ("green", "cyan", "yellow", "red"), strict=True))
RESULTS = environments.ROOT / "results"


def check_up(
    results: Annotated[Path, typer.Option(help="folder that holds the rows")] = RESULTS,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Say what is wrong with this machine and these results, and what to do; changes nothing, needs no network.

    Exit code: 0 no error, 1 an error, 2 usage.
    """
    if results != RESULTS and not results.is_dir():
        raise UsageError(f"--results {results}: no such folder; leave it out for the checkout's own")
    found = []
    for section, findings in checks.run(results):
        found += [{"section": section, **asdict(finding)} for finding in findings]
        if not as_json:
            _show(section, findings)
    counts = {level: sum(item["level"] == level for item in found) for level in LEVELS}
    deliver(found, [Text(", ".join(f"{count} {level}" for level, count in counts.items()))], as_json)
    raise typer.Exit(1 if any(item["level"] == "error" for item in found) else 0)


def _show(section: str, findings: list[Finding]) -> None:
    """Print a section: a line a finding, below it what to do next."""
    out.print(f"[bold]{section}[/bold]", highlight=False)
    for finding in findings:
        level = f"[{STYLES[finding.level]}]{finding.level:8}[/]"
        words = escape(errors.plain(f"{finding.what}: {finding.found}"))
        out.print(f"  {level}{words}", highlight=False, soft_wrap=True)
        if finding.advice:
            out.print(f"          → {escape(errors.plain(finding.advice))}", highlight=False, soft_wrap=True)


def check_measuring(
    only: Annotated[list[str] | None, typer.Option(help=", ".join(selfcheck.NAMES))] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    wait: Wait = True,
) -> None:
    """Put known truths into the measuring and hold what comes out to bounds.

    Exit code 1 when one does not hold, 75 when another process measures (with --no-wait).
    """
    names, found = values(only, selfcheck.NAMES, selfcheck.NAMES, "check"), []
    with lock.machine_lock("its own measuring", wait, say):
        for check in selfcheck.run(names):
            found.append(check)
            say(f"{check.name}: {check.what}: {check.found}")
    deliver([vars(check) for check in found], [tables.checked(found)], as_json)
    raise typer.Exit(0 if all(check.passed for check in found) else 1)
