"""`curves`: accuracy by epoch beside the published figures."""

from __future__ import annotations

from report import curves
from report.commands.terminal import RESULTS, Results, loaded


def curves_by_epoch(results: Results = RESULTS / "curves") -> None:
    """Print accuracy by epoch beside the published figures as Markdown; README.md holds these tables."""
    print(curves.as_markdown(curves.curves(loaded(results))))  # noqa: T201  # for a file, not for a screen
