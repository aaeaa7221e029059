"""The rules that results keep if figures in a table may be compared, each with its number; RULES_VERSION names the set.

A rule looks at the launches that tables count, with what their runs' records say of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks import errors
from benchmarks.checks import Finding, shortened
from benchmarks.errors import count
from benchmarks.record import schema
from benchmarks.record.store import base_of
from report.results.files import File
from report.results.load import framed, wanted, with_derived
from report.tables.compare import CELL, COMPARISON, newest

RULES_VERSION = 1
MORE = 1.05  # CPUs for each thread asked for; more threads may take turns on them (worker.mismatch)
AXES = (*CELL, "revision")
UNNAMED = ("model", "device_name", "machine_kind")  # the recipe says the first; the others are long, mostly the same
OTHERS = schema.names(  # what the rules read of rows, beside load.KEYS
    "framework_version", "revision", "reason", "flags", "lockstep", "oracle_sha256", "mfu", "roofline_share",
    "threads_computing", "cpu_per_wall",
)  # fmt: skip
READ = [name for name in wanted(OTHERS) if name in schema.BY_NAME]
Row = Mapping[str, Any]
Broken = Iterator[tuple[str, str]]  # (level, where and what)


@dataclass(frozen=True)
class Counted:
    """The launches that tables count, and by sweep the record of its run and its cells."""

    rows: Sequence[Row]
    runs: Mapping[str, Mapping[str, Any]]
    ended: frozenset[str]  # sweeps that came to their end
    reported: Mapping[str, set[tuple[Any, ...]]]  # cells, those of launches that a newer session has again too

    def ok(self, task: str = "") -> list[Row]:
        """Return the launches that ended ok, of one task or of both."""
        return [row for row in self.rows if row["status"] == "ok" and task in ("", row["task"])]

    def recorded(self, row: Row, name: str) -> Any:
        """Return what the record of a launch's run says, None where it does not."""
        return self.runs.get(row["sweep"], {}).get(name)

    def environment(self, row: Row, name: str) -> Any:
        """Return what that record says of the environment that a launch ran in, None where it does not."""
        return (self.recorded(row, "frameworks") or {}).get(f"{row['framework']}-{row['device']}", {}).get(name)


def _counted(files: Sequence[File]) -> Counted:
    """Return the launches of some files that tables count."""
    sweeps = [file.sweep for file in files]
    frame = framed(with_derived([(file.table, file.sweep) for file in files]), wanted(READ), categories=True)
    reported: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for row in _records(frame.loc[~frame["overtaken"], ["sweep", *AXES]].drop_duplicates()):
        reported[row["sweep"]].add(_axes(row))
    runs = {sweep.run["sweep"]: sweep.run for sweep in sweeps if "sweep" in sweep.run}
    ended = frozenset(sweep.run["sweep"] for sweep in sweeps if sweep.end and "sweep" in sweep.run)
    return Counted(_records(newest(frame[frame["revision"].isna()])), runs, ended, reported)


def _records(frame: pd.DataFrame) -> list[Row]:
    """Return the lines of a frame as rows, None where nothing is known."""
    found: list[Row] = frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[assignment]
    return found


def _axes(row: Row) -> tuple[Any, ...]:
    """Return what tells a launch's cell from others."""
    return tuple(row[name] for name in AXES)


def _cell(row: Row) -> str:
    """Return a cell's name for people."""
    return f"{row['framework']} {row['mode']}, {_comparison(row, COMPARISON)}"


def _comparison(row: Row, shared: Iterable[str]) -> str:
    """Return what launches share, for people."""
    forms = {"batch_size": "batch {}".format, "threads": errors.threads, "sweep": "sweep {}".format}
    return ", ".join(forms.get(name, str)(row[name]) for name in shared if name not in UNNAMED)


def _grouped(rows: Iterable[Row], shared: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Yield (name, launches) of those that share these columns."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in shared)].append(row)
    for found in groups.values():
        yield _comparison(found[0], shared), found


def _names(rows: Iterable[Row]) -> list[str]:
    """Return the frameworks of some launches."""
    return sorted({row["framework"] for row in rows})


def _gate(launches: Counted) -> Broken:
    """Yield what counts although the gate says fail, or could not be proven: with a reason that is a note."""
    for row in launches.ok():
        if row["lockstep"] == "fail":
            yield "error", f"{_cell(row)}: its status is ok, and the gate says fail"
        elif row["lockstep"] == "unproven" and not row["reason"]:
            yield "error", f"{_cell(row)}: unproven, and does not say why"
    unproven = Counter(_cell(row) for row in launches.ok() if row["lockstep"] == "unproven" and row["reason"])
    yield from (("note", f"{name}: unproven, {count} launches") for name, count in unproven.items())


def _ceiling(launches: Counted) -> Broken:
    """Yield speeds above the peak or the roofline that count."""
    for row in launches.ok():
        for name in ("mfu", "roofline_share"):
            if (row[name] or 0) > 1:
                yield "error", f"{_cell(row)}, round {row['round']}: its status is ok, and its {name} {row[name]:.3g}"


def _seeds(launches: Counted) -> Broken:
    """Yield seeds that a cell was trained with more than once in one session."""
    trained = Counter((_axes(row), row["session"], row["seed"]) for row in launches.ok("accuracy"))
    for row in launches.ok("accuracy"):
        if (times := trained.pop((_axes(row), row["session"], row["seed"]), 1)) > 1:
            yield "error", f"{_cell(row)}: seed {row['seed']} was trained {times} times"


def _threads(launches: Counted) -> Broken:
    """Yield sweeps whose frameworks had different threads, and launches that computed with others than asked."""
    asked_for = [{**row, "sweep": base_of(row["sweep"])} for row in launches.rows]
    for where, rows in _grouped(asked_for, [name for name in (*COMPARISON, "sweep") if name != "threads"]):
        asked = {name: sorted({row["threads"] for row in rows if row["framework"] == name}) for name in _names(rows)}
        if len({tuple(found) for found in asked.values()}) > 1:
            each = "; ".join(f"{name} {', '.join(map(str, found))}" for name, found in asked.items())
            yield "error", f"{where}: threads differ: {each}"
    for row in launches.ok("speed"):
        computing, cpus = row["threads_computing"] or row["threads"], row["cpu_per_wall"] or 0.0
        if row["device"] == "cpu" and (computing < row["threads"] or cpus > MORE * row["threads"]):
            level = "note" if "thread_mismatch" in (row["flags"] or []) else "error"
            unsaid = "" if level == "note" else ", and no flag says so"
            yield (
                level,
                f"{_cell(row)}, round {row['round']}: {count(computing, 'thread')} computed on {cpus:.2f} CPUs{unsaid}",
            )


def _versions(launches: Counted) -> Broken:
    """Yield versions and locks of a framework that differ, and Pythons."""
    for where, rows in _grouped(launches.ok(), COMPARISON):
        for name in _names(rows):
            mine = [row for row in rows if row["framework"] == name]
            yield from _differing("error", where, f"versions of {name}", (row["framework_version"] for row in mine))
            yield from _differing("error", where, f"locks of {name}", (launches.environment(r, "lock") for r in mine))
        environments = (launches.environment(row, "versions") or {} for row in rows)
        yield from _differing("error", where, "versions of Python", (found.get("python") for found in environments))


def _origin(launches: Counted) -> Broken:
    """Yield comparisons by several codes, and frameworks that met on no kind of machine: tables keep kinds apart."""
    for where, rows in _grouped(launches.ok(), COMPARISON):
        yield from _differing("warning", where, "codes", (launches.recorded(row, "code") for row in rows))
    for where, rows in _grouped(launches.ok(), [name for name in COMPARISON if name != "machine_kind"]):
        kinds = {str(row["machine_kind"]) for row in rows}
        if len({tuple(_names(row for row in rows if str(row["machine_kind"]) == kind)) for kind in kinds}) > 1:
            yield from _differing("warning", where, "kinds of machine, a table each", kinds)


def _oracle(launches: Counted) -> Broken:
    """Yield comparisons whose proofs rest on several oracles."""
    for where, rows in _grouped(launches.ok(), COMPARISON):
        yield from _differing("error", where, "oracles", (row["oracle_sha256"] for row in rows))


def _requested(launches: Counted) -> Broken:
    """Yield sweeps that came to their end and reported fewer cells than they say were requested."""
    for sweep in sorted(launches.ended):
        run = launches.runs[sweep]
        asked = run.get("requested", {}).get("cells")
        names_of = {base_of(name) for name in (sweep, *run.get("resumes", []))}
        found = set[Any]().union(*(cells for name, cells in launches.reported.items() if base_of(name) in names_of))
        if isinstance(asked, int) and len(found) < asked:
            yield "error", f"sweep {sweep}: {count(asked, 'cell')} requested, {len(found):,} reported"


@dataclass(frozen=True)
class Rule:
    """A rule: its number, which never changes, a sentence, what finds where it is broken, and what to do then."""

    number: int
    sentence: str
    broken: Callable[[Counted], Broken]
    advice: str


TOGETHER = "measure them again in one sweep, or keep the sets in folders of their own"
RULES = (
    Rule(1, "What counts has passed the lockstep gate, or says why it could not be proven", _gate,
         "python -m benchmarks lockstep says how far it strays; measure again"),
    Rule(2, "No speed above the machine's peak counts", _ceiling, "python -m benchmarks selfcheck; measure again"),
    Rule(3, "Each accuracy launch of a cell has a seed of its own", _seeds, "take what was copied out of the folder"),
    Rule(4, "The frameworks of a comparison have the threads that were asked for, all the same", _threads, TOGETHER),
    Rule(5, "In a comparison a framework has one version and one lock, and all have one Python", _versions, TOGETHER),
    Rule(6, "A comparison was measured by one code on one kind of machine", _origin, TOGETHER),
    Rule(7, "A comparison's proofs rest on one reference network", _oracle, "measure them again with --fresh-proof"),
    Rule(8, "Every cell that was requested is reported", _requested, "restore the file from a copy, or --resume"),
)  # fmt: skip


def findings(files: Sequence[File]) -> Iterator[Finding]:
    """Yield for each rule that it is kept, or where it is broken; nothing where there are no rows."""
    found = _counted(files)
    if found.rows:
        yield from (finding for rule in RULES for finding in _judged(rule, found))


def _judged(rule: Rule, launches: Counted) -> Iterator[Finding]:
    """Yield that a rule is kept, or where it is broken."""
    what = f"rule {RULES_VERSION}.{rule.number}"
    broken = [Finding(level, what, f"{rule.sentence}: {where}", rule.advice) for level, where in rule.broken(launches)]
    if all(finding.level == "note" for finding in broken):
        yield Finding("ok", what, rule.sentence)
    yield from shortened(broken)


def _differing(level: str, where: str, what: str, values: Iterable[Any]) -> Broken:
    """Yield something broken where known values differ."""
    found = sorted({str(value) for value in values if value is not None})
    if len(found) > 1:
        yield level, f"{where}: {len(found)} {what}: {', '.join(value[:16] for value in found[:4])}"
