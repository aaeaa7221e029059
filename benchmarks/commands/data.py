"""The data set that a command asks for: made ready, or only planned for without a download."""

from __future__ import annotations

from pathlib import Path

from benchmarks.commands.terminal import say
from benchmarks.datasets import Prepared, prepare
from benchmarks.datasets.prepared import default_cache
from benchmarks.datasets.reading import shown
from benchmarks.datasets.sources import ORIGINS, to_download
from benchmarks.errors import UsageError


def prepared(name: str, data_dir: Path | None) -> Prepared:
    """Make a data set ready; say where --data-dir is of no use to it."""
    if not name.strip():
        raise UsageError("an empty dataset was given (an unset variable?): name one, or leave it out")
    if data_dir is not None and name not in ORIGINS:
        say(f"--data-dir {shown(data_dir)} is not used: it is for {' and '.join(ORIGINS)}, and this is {shown(name)}")
    return prepare(name, data_dir)


def planned(name: str, data_dir: Path | None) -> str:
    """Return what rows would call a data set; say what a run would download, and download nothing."""
    if files := to_download(name, data_dir, default_cache()):
        say(f"{name}: a run would download {', '.join(files)}")
        return name
    return prepared(name, data_dir).name
