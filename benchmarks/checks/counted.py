"""The launches that tables count, with what their runs' records say of them, and names for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.checks.slim import File
from benchmarks.counting import threads
from benchmarks.sessions import SHARED, axes, current, newest, session, sessions

Row = Mapping[str, Any]
UNNAMED = ("device_name", "machine_kind")  # too long for a line, and mostly the same in all


@dataclass(frozen=True)
class Counted:
    """The launches that tables count; by sweep the record of its run, its session, and its cells."""

    rows: Sequence[Row]
    runs: Mapping[str, Mapping[str, Any]]
    last: Mapping[str, str]  # as sessions() says
    ended: frozenset[str]  # sweeps that came to their end
    reported: Mapping[str, set[tuple[Any, ...]]]  # cells, those of launches that a newer session has again too

    def ok(self, task: str = "") -> list[Row]:
        """Return the launches that ended ok, of one task or of both."""
        return [row for row in self.rows if row["status"] == "ok" and task in ("", row["task"])]

    def session(self, row: Row) -> str:
        """Return the sweep that went on last with a launch's sweep, or that sweep itself."""
        return session(row["sweep"], self.last)

    def told(self, row: Row, name: str) -> Any:
        """Return what the record of a launch's run says, None where it does not."""
        return self.runs.get(row["sweep"], {}).get(name)

    def environment(self, row: Row, name: str) -> Any:
        """Return what that record says of the environment that a launch ran in, None where it does not."""
        return (self.told(row, "frameworks") or {}).get(f"{row['framework']}-{row['device']}", {}).get(name)


def counted(files: Sequence[File]) -> Counted:
    """Return the launches of some files that tables count."""
    sweeps = [file.sweep for file in files]
    runs = {sweep.run["sweep"]: sweep.run for sweep in sweeps if "sweep" in sweep.run}
    rows = with_kinds([row for sweep in sweeps for row in sweep.rows], runs)
    reported: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    last = sessions(list(runs.values()))
    for row in current(rows, last):
        reported[row["sweep"]].add(axes(row))
    ended = frozenset(sweep.run["sweep"] for sweep in sweeps if sweep.end and "sweep" in sweep.run)
    return Counted(newest(rows, last), runs, last, ended, reported)


def with_kinds(rows: Iterable[Row], runs: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return rows with the `machine_kind` that their runs' records tell, None where they do not.

    A driver tells none: what it lost is of the kind whose launches have the same identity, as far as there are any.
    """
    told = [(row, runs.get(row["sweep"], {})) for row in rows]
    known = {row["cell"]: run["machine_kind"] for row, run in told if "machine_kind" in run and "engine" not in run}
    return [
        {**row, "machine_kind": known.get(row["cell"]) if "engine" in run else run.get("machine_kind")}
        for row, run in told
    ]


def cell(row: Row) -> str:
    """Return a cell's name for people."""
    return f"{row['framework']} {row['mode']}, {comparison(row, SHARED)}"


def comparison(row: Row, shared: Iterable[str]) -> str:
    """Return what launches share, for people."""
    forms = {"batch_size": "batch {}".format, "threads": threads, "sweep": "sweep {}".format}
    return ", ".join(forms.get(name, str)(row[name]) for name in shared if name not in UNNAMED)


def grouped(rows: Iterable[Row], shared: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Yield (name, launches) of those that share these columns."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in shared)].append(row)
    for found in groups.values():
        yield comparison(found[0], shared), found


def names(rows: Iterable[Row]) -> list[str]:
    """Return the frameworks of some launches."""
    return sorted({row["framework"] for row in rows})
