"""`check`: what is wrong with the files of a folder, and with the figures in them, for `python -m benchmarks check`."""

from __future__ import annotations

import json
from dataclasses import asdict

from report import files, rules
from report.commands.terminal import RESULTS, Results


def check_results(results: Results = RESULTS) -> None:
    """Print as JSON what is wrong with the files (section `results`) and with what their tables compare (`rules`)."""
    read = files.read_all(results, rules.READ)
    sections = {"results": files.findings(results, read), "rules": rules.findings(read)}
    print(json.dumps({name: [asdict(finding) for finding in found] for name, found in sections.items()}))  # noqa: T201
