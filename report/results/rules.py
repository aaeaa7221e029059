"""The rules that results keep if figures in a table may be compared, each with its number; RULES_VERSION names the set.

A rule looks at the launches that tables count, with what their runs' records say of them.
"""

from __future__ import annotations

from collections import Counter
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
from report.tables.groups import equal
from report.tables.sides import origins

RULES_VERSION = 1
GATE_SAYS = {"fail": "its status is ok, and the gate says fail", "unproven": "unproven, and does not say why"}
MORE = 1.05  # CPUs for each thread asked for; more threads may take turns on them (worker.mismatch)
AXES = (*CELL, "revision")
UNNAMED = ("model", "device_name", "machine_kind")  # the recipe says the first; the others are long, mostly the same
OTHERS = schema.names(  # what the rules read of rows, beside load.KEYS
    "framework_version", "revision", "reason", "flags", "lockstep", "oracle_sha256", "mfu", "roofline_share",
    "threads_computing", "cpu_per_wall",
)  # fmt: skip
READ = [name for name in wanted(OTHERS) if name in schema.BY_NAME]
Broken = Iterator[tuple[str, str]]  # (level, where and what)


@dataclass(frozen=True)
class Counted:
    """The launches that tables count, and what their sweeps' records say.

    rows: READ and where a launch ran, as sides.origins has it. cells: sweep and AXES of all that was reported, those of
    launches that a newer session has again too. ended: the runs' records of the sweeps that came to their end, by name.
    """

    rows: pd.DataFrame
    cells: pd.DataFrame
    ended: Mapping[str, Mapping[str, Any]]

    def ok(self, task: str = "") -> pd.DataFrame:
        """Return the launches that ended ok, of one task or of both."""
        good = self.rows[equal(self.rows["status"], "ok")]
        return good[equal(good["task"], task)] if task else good


def _counted(files: Sequence[File]) -> Counted:
    """Return the launches of some files that tables count."""
    sweeps = [file.sweep for file in files]
    frame = framed(with_derived([(file.table, file.sweep) for file in files]), wanted(READ), categories=True)
    cells = frame.loc[~frame["overtaken"], ["sweep", *AXES]].drop_duplicates()
    ended = {sweep.run["sweep"]: sweep.run for sweep in sweeps if sweep.end and "sweep" in sweep.run}
    rows = newest(frame[frame["revision"].isna()]).join(origins(sweeps), on=["sweep", "framework", "device"])
    return Counted(rows, cells.assign(sweep=cells["sweep"].map(base_of)), ended)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as rows, None where nothing is known."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]


def _cell(row: Mapping[str, Any]) -> str:
    """Return a cell's name for people."""
    return f"{row['framework']} {row['mode']}, {_comparison(row, COMPARISON)}"


def _comparison(row: Mapping[str, Any] | pd.Series, shared: Iterable[str]) -> str:
    """Return what launches share, for people."""
    forms = {"batch_size": "batch {}".format, "threads": errors.threads, "sweep": "sweep {}".format}
    return ", ".join(forms.get(name, str)(row[name]) for name in shared if name not in UNNAMED)


def _grouped(rows: pd.DataFrame, shared: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (name, launches) of those that share these columns."""
    for _, found in rows.groupby(list(shared), sort=False, dropna=False, observed=True):
        yield _comparison(found.iloc[0], shared), found


def _gate(launches: Counted) -> Broken:
    """Yield what counts although the gate says fail, or could not be proven: with a reason that is a note."""
    ok = launches.ok()
    unproven = equal(ok["lockstep"], "unproven")
    silent = ok["reason"].isna().to_numpy(bool) | equal(ok["reason"], "")
    for row in _records(ok[equal(ok["lockstep"], "fail") | unproven & silent]):
        yield "error", f"{_cell(row)}: {GATE_SAYS[row['lockstep']]}"
    explained = Counter(_cell(row) for row in _records(ok[unproven & ~silent]))
    yield from (("note", f"{name}: unproven, {count} launches") for name, count in explained.items())


def _ceiling(launches: Counted) -> Broken:
    """Yield speeds above the peak or the roofline that count."""
    ok, names = launches.ok(), ["mfu", "roofline_share"]
    for row in _records(ok[(ok[names] > 1).any(axis=1)]):
        for name in names:
            if (row[name] or 0) > 1:
                yield "error", f"{_cell(row)}, round {row['round']}: its status is ok, and its {name} {row[name]:.3g}"


def _seeds(launches: Counted) -> Broken:
    """Yield seeds that a cell was trained with more than once in one session."""
    trained, once = launches.ok("accuracy"), [*AXES, "session", "seed"]
    times = trained.groupby(once, dropna=False, observed=True)["task"].transform("size")
    for row in _records(trained.assign(times=times)[times > 1].drop_duplicates(once)):
        yield "error", f"{_cell(row)}: seed {row['seed']} was trained {row['times']} times"


def _threads(launches: Counted) -> Broken:
    """Yield sweeps whose frameworks had different threads, and launches that computed with others than asked."""
    rows = launches.rows.assign(sweep=launches.rows["sweep"].map(base_of))
    for where, found in _grouped(rows, [name for name in (*COMPARISON, "sweep") if name != "threads"]):
        asked = {
            str(name): sorted(set(threads)) for name, threads in found.groupby("framework", observed=True)["threads"]
        }
        if len({tuple(threads) for threads in asked.values()}) > 1:
            each = "; ".join(f"{name} {', '.join(map(str, threads))}" for name, threads in asked.items())
            yield "error", f"{where}: threads differ: {each}"
    timed = launches.ok("speed")
    timed = timed[equal(timed["device"], "cpu")].fillna({"cpu_per_wall": 0.0})
    computing = timed["threads_computing"].fillna(timed["threads"])
    wrong = (computing < timed["threads"]) | (timed["cpu_per_wall"] > MORE * timed["threads"])
    for row in _records(timed.assign(threads_computing=computing)[wrong]):
        level = "note" if "thread_mismatch" in (row["flags"] or []) else "error"
        unsaid = "" if level == "note" else ", and no flag says so"
        computed = f"{count(row['threads_computing'], 'thread')} computed on {row['cpu_per_wall']:.2f} CPUs"
        yield level, f"{_cell(row)}, round {row['round']}: {computed}{unsaid}"


def _versions(launches: Counted) -> Broken:
    """Yield versions and locks of a framework that differ, and Pythons."""
    ok = launches.ok()
    for name in sorted(map(str, ok["framework"].unique())):
        mine = ok[equal(ok["framework"], name)]
        yield from _differing("error", mine, "framework_version", f"versions of {name}")
        yield from _differing("error", mine, "lock", f"locks of {name}")
    yield from _differing("error", ok, "python", "versions of Python")


def _origin(launches: Counted) -> Broken:
    """Yield comparisons by several codes, and frameworks that met on no kind of machine: tables keep kinds apart."""
    ok = launches.ok()
    yield from _differing("warning", ok, "code", "codes")
    shared = [name for name in COMPARISON if name != "machine_kind"]
    for _, rows in _grouped(_several(ok, shared, "machine_kind"), shared):
        kinds = rows.groupby("machine_kind", observed=True)["framework"]
        if len({tuple(sorted(set(frameworks))) for _, frameworks in kinds}) > 1:
            yield from _differing("warning", rows, "machine_kind", "kinds of machine, a table each", shared)


def _oracle(launches: Counted) -> Broken:
    """Yield comparisons whose proofs rest on several oracles."""
    yield from _differing("error", launches.ok(), "oracle_sha256", "oracles")


def _differing(level: str, rows: pd.DataFrame, column: str, what: str, shared: Sequence[str] = COMPARISON) -> Broken:
    """Yield what launches share whose known values in a column differ."""
    for where, found in _grouped(_several(rows, shared, column), shared):
        values = sorted(found[column].dropna().astype(str).unique())
        yield level, f"{where}: {len(values)} {what}: {', '.join(value[:16] for value in values[:4])}"


def _several(rows: pd.DataFrame, shared: Sequence[str], column: str) -> pd.DataFrame:
    """Return the launches whose group has several known values in a column."""
    return rows[rows.groupby(list(shared), dropna=False, observed=True)[column].transform("nunique") > 1]


def _requested(launches: Counted) -> Broken:
    """Yield sweeps that came to their end and reported fewer cells than they say were requested."""
    for sweep, run in sorted(launches.ended.items()):
        asked = run.get("requested", {}).get("cells")
        names = {base_of(name) for name in (sweep, *run.get("resumes", []))}
        found = len(launches.cells[launches.cells["sweep"].isin(names)].drop_duplicates(list(AXES)))
        if isinstance(asked, int) and found < asked:
            yield "error", f"sweep {sweep}: {count(asked, 'cell')} requested, {found:,} reported"


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
    if len(found.rows):
        yield from (finding for rule in RULES for finding in _judged(rule, found))


def _judged(rule: Rule, launches: Counted) -> Iterator[Finding]:
    """Yield that a rule is kept, or where it is broken."""
    what = f"rule {RULES_VERSION}.{rule.number}"
    broken = [Finding(level, what, f"{rule.sentence}: {where}", rule.advice) for level, where in rule.broken(launches)]
    if all(finding.level == "note" for finding in broken):
        yield Finding("ok", what, rule.sentence)
    yield from shortened(broken)
