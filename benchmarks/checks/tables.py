"""Are the results whole, and may the figures in their tables be compared? `report` says so, a program of its own.

Which launches a table counts is known to `report` alone, which reads rows with packages that the harness never loads.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import environments
from benchmarks.checks.finding import Finding

COMMAND = [sys.executable, "-m", "report", "check"]
ADVICE = "python -m report check says more"


def sections(folder: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Yield (section, findings) of a folder's files and of the rules about tables; an error where nobody can say."""
    command = [*COMMAND, "--results", str(folder.absolute())]
    done = subprocess.run(command, cwd=environments.ROOT, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        why = next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        yield "results", [Finding("error", "results files", f"cannot be read: {why}", ADVICE)]
        return
    for section, findings in json.loads(done.stdout).items():
        yield section, [Finding(**found) for found in findings]
